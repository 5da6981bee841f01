using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The options of <c>train</c> that say how to train: all that the trainers have. Their defaults are the trainers' own.</summary>
internal sealed class TrainingOptions
{
    private readonly IReadOnlyList<TrainerOption> _all = TrainerOption.All();

    /// <param name="command">Gets the options.</param>
    /// <param name="startOnly">
    /// Whether the command goes no further than the start: what comes later is then taken, so that a command line can be
    /// used again with another verb, but not shown.
    /// </param>
    public TrainingOptions(CliCommand command, bool startOnly = false)
    {
        foreach (var option in _all)
        {
            option.Option.Hidden = startOnly && !TrainerOptionTable.OfTheStart.Contains(option.Property);
            command.Options.Add(option.Option);
        }
    }

    public int Seed(ParseResult result) => int.Parse(Text(result, nameof(LoraTrainerOptions.Seed))!, CultureInfo.InvariantCulture);

    /// <summary>The share of the training rows that is set aside to validate on.</summary>
    public double SetAside(ParseResult result) => double.Parse(Text(result, nameof(LoraTrainerOptions.ValidationFraction))!, CultureInfo.InvariantCulture);

    /// <summary>Tries the folder of the checkpoints.</summary>
    /// <exception cref="UsageException">It cannot be written to.</exception>
    public void CheckPlaces(ParseResult result)
    {
        if (Text(result, nameof(LoraTrainerOptions.CheckpointDirectory)) is { } folder)
            OutputPlace.CheckFolder(folder, "--checkpoint-dir");
    }

    /// <exception cref="UsageException">An option is not for this kind of label.</exception>
    public T Apply<T>(ParseResult result, T options)
        where T : LoraTrainerOptions
    {
        foreach (var option in _all)
            option.Apply(result, options);
        return options;
    }

    /// <summary>Names of the options that a trainer does not have.</summary>
    public IEnumerable<string> NotOf(LoraTrainerOptions options) => _all.Where(o => options.GetType().GetProperty(o.Property) is null).Select(o => o.Name);

    private string? Text(ParseResult result, string property) => _all.Single(o => o.Property == property).Text(result);
}
