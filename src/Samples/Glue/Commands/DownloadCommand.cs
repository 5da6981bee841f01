using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary><c>glue download</c>: brings the tasks' official archives.</summary>
internal static class DownloadCommand
{
    public static CliCommand Create(Terminal terminal)
    {
        var folder = new Argument<string>("DIR") { Description = "The folder to make, for 'glue --data-dir'." };
        var tasks = new Option<string>("--tasks") { Description = "Tasks, separated by commas. Default: all.", HelpName = "NAMES", DefaultValueFactory = _ => string.Join(',', GlueTask.All.Select(t => t.Name)) };
        var offline = new Option<bool>("--offline") { Description = "Use the archives that are in DIR/archives and no network." };
        var command = new CliCommand("download", "Download GLUE from its owners, checked by SHA-256; their terms apply.") { folder, tasks, offline };
        command.SetAction(async (result, cancellation) =>
        {
            var chosen = result.GetValue(tasks)!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(GlueTask.Parse).ToArray();
            var downloader = new GlueDownloader(new() { Offline = result.GetValue(offline) });
            foreach (var task in chosen.DistinctBy(t => t.Folder))
                terminal.Output.WriteLine(await downloader.DownloadAsync(task, result.GetRequiredValue(folder), cancellation));
            return ExitCodes.Success;
        });
        return command;
    }
}
