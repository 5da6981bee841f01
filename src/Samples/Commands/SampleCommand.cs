using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;
using Microsoft.ML.LoraInit.Samples.Tasks;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>sample</c>: one command a task, each of which trains on small data of its own and shows what comes out.</summary>
internal static class SampleCommand
{
    /// <summary>Every sample, in the order of the documentation.</summary>
    public static IReadOnlyList<TaskSample> All { get; } =
    [
        new SentimentSample(), new IntentsSample(), new SimilaritySample(), new MultiLabelSample(),
        new ImbalancedSample(), new SmallDataSample(), new ExplainSample(), new OwnStrategySample(), new EmbeddingsSample(), new NewClassesSample(), new FusionSample(),
    ];

    public static CliCommand Create(Terminal terminal)
    {
        var command = new CliCommand("sample", "Show how a task is done, from data to metrics: offline, on the embedded model, in under two minutes.");
        foreach (var sample in All)
        {
            var epochs = new Option<int>("--epochs") { Description = "Passes over the data.", HelpName = "N", DefaultValueFactory = _ => sample.Epochs };
            var one = new CliCommand(sample.Name, sample.Description) { epochs };
            one.SetAction((result, cancellation) =>
            {
                sample.Run(terminal, result.GetValue(epochs), cancellation);
                return Task.FromResult(ExitCodes.Success);
            });
            command.Subcommands.Add(one);
        }
        return command;
    }
}
