using System.CommandLine;
using System.Reflection;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>
/// One option of the trainers as one of the command line. All of them are found in the trainers' option classes, so that a new one is here
/// without a line of code: <see cref="TrainerOptionTable"/> has words for those it knows.
/// </summary>
internal sealed class TrainerOption
{
    private static readonly Type[] Classes =
    [
        typeof(LoraTextClassificationTrainer.Options), typeof(LoraBinaryTextClassificationTrainer.Options),
        typeof(LoraMultiLabelTextClassificationTrainer.Options), typeof(LoraTextRegressionTrainer.Options),
    ];

    private readonly Option<string?>? _text;
    private readonly Option<bool>? _flag;
    private readonly OptionValue _value;

    private TrainerOption(PropertyInfo property)
    {
        Property = property.Name;
        _value = property.Name == nameof(LoraTrainerOptions.RankPattern) ? RankPatternText.Value : OptionValue.Of(property.PropertyType);
        var words = TrainerOptionTable.Find(property.Name);
        Default = DefaultText(property);
        // What is on by default has an option that turns it off.
        IsInverted = property.PropertyType == typeof(bool) && Default == "true";
        Name = words.Name ?? $"--{(IsInverted ? "no-" : "")}{OptionValue.Kebab(property.Name)}";
        var description = words.Description ?? LibraryComments.Of(property) ?? $"Options.{property.Name} of the trainers.";
        if (property.PropertyType == typeof(bool))
        {
            _flag = new(Name) { Description = description };
        }
        else
        {
            _text = new(Name) { Description = description, HelpName = words.Value ?? _value.Help };
            if (Default is { } value)
                _text.DefaultValueFactory = _ => value;
            _text.Validators.Add(result =>
            {
                if (result is { Implicit: false, Tokens: [var token] } && Problem(token.Value) is { } problem)
                    result.AddError($"{Name}: {problem}");
            });
            if (_value.Choices is { } choices)
                _text.CompletionSources.Add([.. choices]);
            else if (property.PropertyType == typeof(LoraInitialization))
                _text.CompletionSources.Add([.. LoraInitialization.Names]);
            else if (property.PropertyType == typeof(FineTuningMethod))
                _text.CompletionSources.Add([.. FineTuningMethod.Names]);
        }
    }

    /// <summary>The property's name in the trainers' options.</summary>
    public string Property { get; }

    /// <summary>As it is typed.</summary>
    public string Name { get; }

    /// <summary>The text that stands for the trainers' default; null where that is none, which the description then says.</summary>
    public string? Default { get; }

    /// <summary>Whether typing it turns off what the property turns on.</summary>
    public bool IsInverted { get; }

    public Option Option => (Option?)_text ?? _flag!;

    /// <summary>New ones: a command has its own.</summary>
    public static IReadOnlyList<TrainerOption> All() => [.. Properties().Where(p => !TrainerOptionTable.Left.ContainsKey(p.Name)).Select(p => new TrainerOption(p))];

    /// <summary>Every option that any trainer has.</summary>
    public static IEnumerable<PropertyInfo> Properties() =>
        Classes.SelectMany(c => c.GetProperties(BindingFlags.Public | BindingFlags.Instance)).Where(p => p.SetMethod is { IsPublic: true }).DistinctBy(p => p.Name);

    /// <summary>Sets what was typed; what was not keeps the trainer's default.</summary>
    /// <exception cref="UsageException">This trainer has no such option.</exception>
    public void Apply(ParseResult result, LoraTrainerOptions options)
    {
        if (Text(result) is not { } text || (result.GetResult(Option)?.Implicit != false && Property != nameof(LoraTrainerOptions.Seed)))
            return;
        var property = options.GetType().GetProperty(Property)
            ?? throw new UsageException($"{Name} does not go with this --kind of label.");
        switch (Property)
        {
            case nameof(LoraTrainerOptions.Device):
                var devices = DeviceNames.Parse(text);
                options.Device = devices.Length == 1 ? devices[0] : null;
                options.Devices = devices.Length > 1 ? devices : null;
                break;
            case nameof(LoraTrainerOptions.RankPattern):
                options.RankPattern = RankPatternText.Parse(Name, text, () => options.BaseModel.ReadShape().Layers);
                break;
            default:
                property.SetValue(options, _value.Parse(text));
                break;
        }
    }

    /// <summary>What was typed, or the default; null where neither is there.</summary>
    public string? Text(ParseResult result) => _flag is null ? result.GetValue(_text!) : result.GetValue(_flag) != IsInverted ? "true" : "false";

    private string? Problem(string text)
    {
        try
        {
            _value.Parse(text);
            return null;
        }
        catch (Exception e) when (e is FormatException or ArgumentException or UsageException)
        {
            return ErrorText.Plain(e.Message);
        }
    }

    private string? DefaultText(PropertyInfo property)
    {
        // Every random draw has a seed here; the trainers take the context's.
        if (property.Name == nameof(LoraTrainerOptions.Seed))
            return "0";
        var value = property.GetValue(Activator.CreateInstance(property.ReflectedType!));
        return value is null ? null : _value.Format(value);
    }
}
