using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>
/// A grid as texts by name, as a command line or a recipe gives them: <c>learning-rates</c> → <c>5e-4,1e-3</c>. Lists are separated by
/// commas, and by semicolons where an item has settings of its own.
/// </summary>
internal static class GridText
{
    /// <summary>Every setting, with what it is where nobody says otherwise; null for nothing.</summary>
    public static readonly IReadOnlyDictionary<string, string?> Defaults = new Dictionary<string, string?>(StringComparer.Ordinal)
    {
        ["tasks"] = "cola,mrpc,rte,stsb,sst2,qnli",
        ["inits"] = "kaiming",
        ["methods"] = "lora",
        ["ranks"] = "8",
        ["alphas"] = "16",
        ["rank-pattern"] = null,
        ["learning-rates"] = "5e-4,1e-3,2e-3",
        ["seeds"] = "0,1,2",
        ["sweep-seeds"] = null,
        ["epochs"] = "8",
        ["batch-size"] = "32",
        ["warmup"] = "0.06",
        ["weight-decay"] = "0.01",
        ["decay-biases"] = "false",
        ["max-grad-norm"] = "1",
        ["max-length"] = null,
        ["train-rows"] = "all",
        ["dev-rows"] = null,
        ["start"] = null,
    };

    /// <exception cref="ArgumentException">A text does not parse; the message names its option.</exception>
    public static GridSpec Read(IReadOnlyDictionary<string, string?> texts, GridSpec model)
    {
        string Text(string name) => texts.GetValueOrDefault(name) ?? Defaults[name] ?? "";
        IEnumerable<string> Items(string name, char separator = ',') => Text(name).Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        int? Count(string name) => Text(name) is { Length: > 0 } text ? AtLeastOne(name, text) : null;
        var rates = PerTask.ParseRates("--learning-rates", Text("learning-rates"), TaskName);
        return model with
        {
            Tasks = [.. Items("tasks").Select(TaskName).Distinct()],
            Methods = [.. Listed(Text("methods")).Select(MethodName)],
            Initializations = Initializations(Text("inits")),
            Ranks = [.. Items("ranks").Select(t => AtLeastOne("ranks", t))],
            Alphas = [.. Items("alphas").Select(AlphaRule.Parse)],
            RankPattern = Text("rank-pattern") is { Length: > 0 } pattern ? pattern : null,
            LearningRates = rates.For(""),
            TaskRates = rates,
            Seeds = [.. Items("seeds").Select(t => Number("seeds", t, int.Parse))],
            SweepSeeds = Count("sweep-seeds"),
            Epochs = PerTask.ParseCounts("--epochs", Text("epochs"), TaskName),
            BatchSize = PerTask.ParseCounts("--batch-size", Text("batch-size"), TaskName),
            WarmupRatio = Number("warmup", Text("warmup"), double.Parse) is var share && share is >= 0 and < 1 ? share : throw new UsageException($"--warmup is a share from 0 to below 1, not {Text("warmup")}."),
            WeightDecay = Number("weight-decay", Text("weight-decay"), double.Parse) is var decay && decay >= 0 && double.IsFinite(decay) ? decay : throw new UsageException($"--weight-decay must be a finite number of at least 0, not {Text("weight-decay")}."),
            DecayBiases = bool.TryParse(Text("decay-biases"), out var decays) ? decays : throw new UsageException($"--decay-biases is '{Text("decay-biases")}'; it must be true or false."),
            MaxGradientNorm = Number("max-grad-norm", Text("max-grad-norm"), double.Parse) is var norm && norm >= 0 && double.IsFinite(norm) ? norm : throw new UsageException($"--max-grad-norm must be a finite number of at least 0, not {Text("max-grad-norm")}; 0 is no clipping."),
            MaxLength = Count("max-length"),
            TrainRows = [.. Items("train-rows").Select(t => t == "all" ? null : (int?)AtLeastOne("train-rows", t)).Distinct()],
            DevRows = Count("dev-rows"),
            Start = PerTask.ParseNames("--start", Text("start"), TaskName),
        };
    }

    /// <summary>The items of a list of names, which may have settings.</summary>
    public static IReadOnlyList<string> Listed(string text) =>
        text.Split(text.Contains(';') || text.Contains(':') ? ';' : ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static string TaskName(string text) => GlueTask.Parse(text).Name;

    /// <summary>The name, and the settings that differ from the default, so that two ways to write a method are one run.</summary>
    private static string MethodName(string text)
    {
        if (text is Methods.RankStabilized or Methods.Dora)
            return text;
        var method = Named("--methods", text.Split(':')[0], FineTuningMethod.Names, () => FineTuningMethod.Parse(text)); // throws with the names there are
        var defaults = FineTuningMethod.Parse(method.Name).ToJson();
        var changed = method.ToJson().Where(s => s.Value?.ToJsonString() != defaults[s.Key]?.ToJsonString()).Select(s => $"{s.Key}={s.Value}").ToArray();
        return changed.Length == 0 ? method.Name : $"{method.Name}:{string.Join(',', changed)}";
    }

    private static LoraInitialization[] Initializations(string text) =>
        text.Trim() == "all" ? [.. LoraInitialization.Published] : [.. Listed(text).SelectMany(item => Named("--inits", item.Split(':')[0].Trim(), LoraInitialization.Names, () => InitializationText.Expand(item)))];

    /// <summary>Reads an item, and says of an error whose it is and, of an unknown name, which it may have been.</summary>
    private static T Named<T>(string option, string name, IReadOnlyList<string> names, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"{option}: {ErrorText.Plain(e.Message)}{(names.Contains(name, StringComparer.OrdinalIgnoreCase) ? "" : Suggestion.For(name, names))}", e);
        }
    }

    private static int AtLeastOne(string name, string text) => Number(name, text, int.Parse) is var value && value >= 1
        ? value
        : throw new UsageException($"--{name} must be at least 1, not {value}.");

    private static T Number<T>(string name, string text, Func<string, IFormatProvider, T> parse)
    {
        try
        {
            return parse(text, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new UsageException($"--{name}: '{text}' is not a {(typeof(T) == typeof(int) ? "whole " : "")}number.", e);
        }
    }
}
