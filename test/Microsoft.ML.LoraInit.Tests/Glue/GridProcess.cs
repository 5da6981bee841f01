using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>The command line's grid in a process of its own, and what it leaves.</summary>
internal static class GridProcess
{
    /// <summary>Starts a grid and kills it (SIGKILL) when some runs have ended and one is between a checkpoint and its end.</summary>
    public static async Task KillInTheMiddle(string folder, string[] arguments, TimeSpan patience)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "lorainit.dll"), .. arguments]) { RedirectStandardOutput = true })!;
        process.BeginOutputReadLine();
        try
        {
            var waited = Stopwatch.StartNew();
            while (!InTheMiddle(Path.Combine(folder, "runs"), Path.Combine(folder, "work")))
            {
                Assert.IsFalse(process.HasExited, "it ended before it could be killed");
                Assert.IsTrue(waited.Elapsed < patience, "it does not get on");
                await Task.Delay(5);
            }
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    /// <summary>All that each run learned, to the last bit; not how long it took.</summary>
    public static string[] Results(string folder) =>
        [.. new RunStore(folder).ReadAll().Select(r => JsonSerializer.Serialize(new { r.Config, r.Metric, r.BestEpoch, r.Epochs }, RunJson.Options))];

    private static bool InTheMiddle(string runs, string work)
    {
        try
        {
            return Directory.Exists(runs) && Directory.GetFiles(runs, "*.json").Length >= 3 && Directory.Exists(work)
                && Directory.GetDirectories(work, "checkpoint", SearchOption.AllDirectories).Any(d => Directory.EnumerateFiles(d).Any());
        }
        catch (DirectoryNotFoundException)
        {
            // A run ended, and its checkpoints went, while they were being listed.
            return false;
        }
    }
}
