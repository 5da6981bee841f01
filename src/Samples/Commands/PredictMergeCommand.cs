using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Data.Files;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>predict merge</c>: joins what <c>predict --shard</c> wrote.</summary>
internal static class PredictMergeCommand
{
    public static CliCommand Create(Terminal terminal)
    {
        var output = new Option<string>("--output") { Description = "The file that the parts beside it make, in the input's order.", HelpName = "FILE", Required = true };
        var command = new CliCommand("merge", "Join the parts that predict --shard wrote.") { output };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(output);
            var parts = PredictionPart.All(path);
            OutputPlace.Check(path, "--output");
            var format = DataFormats.Of(path);
            long rows = PredictionMerge.Merge(parts, path, hasHeader: format != DataFormat.Jsonl, quoted: format == DataFormat.Csv);
            terminal.Output.WriteLine($"{Count.Of(rows, "prediction")} of {Count.Of(parts.Length, "part")} written to {Path.GetFullPath(path)}.");
            return ExitCodes.Success;
        });
        return command;
    }
}
