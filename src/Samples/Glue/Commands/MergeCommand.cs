using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary><c>glue merge</c>: joins the folders of shards.</summary>
internal static class MergeCommand
{
    public static CliCommand Create(Terminal terminal)
    {
        var sources = new Argument<string[]>("DIRS") { Description = "Folders of results.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "The folder that holds them all afterwards.", HelpName = "DIR", Required = true };
        var command = new CliCommand("merge", "Join folders of results; refuses two different results of one run.") { sources, output };
        command.SetAction(result =>
        {
            var target = result.GetRequiredValue(output);
            OutputPlace.CheckFolder(target, "--out");
            terminal.Output.WriteLine($"{RunMerge.Merge(result.GetRequiredValue(sources), target)} runs in {target}.");
            return ExitCodes.Success;
        });
        return command;
    }
}
