using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary><c>glue report</c>: Markdown, CSV and a page from a folder of results.</summary>
internal static class ReportCommand
{
    public static CliCommand Create(Terminal terminal)
    {
        var folder = new Argument<string>("DIR") { Description = "The folder that 'glue --out' or 'glue merge' wrote." };
        var output = new Option<string?>("--out") { Description = "Where to write the report. Default: the same folder.", HelpName = "DIR" };
        var peers = new Option<string[]>("--peers") { Description = "JSON files with runs of Python's PEFT, shown beside ours where base model, task, method and rank are the same.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
        var command = new CliCommand("report", "Write report.md, report.html, report.csv and runs.csv from results.") { folder, output, peers };
        command.SetAction(result =>
        {
            var directory = result.GetRequiredValue(folder);
            if (result.GetValue(output) is { } place)
                OutputPlace.CheckFolder(place, "--out");
            foreach (var file in ReportFiles.Write(directory, result.GetValue(output) ?? directory, PeerFigures.Read(result.GetValue(peers)!)))
                terminal.Output.WriteLine(file);
            ResultTable.Write(terminal, ReportFiles.Read(directory));
            return ExitCodes.Success;
        });
        return command;
    }
}
