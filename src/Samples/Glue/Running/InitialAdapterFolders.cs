using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>
/// The adapters that runs start from: folders as they are given, and adapters of other tasks, which are trained once and kept under
/// <c>starts/</c> of the results.
/// </summary>
/// <param name="directory">The results' folder.</param>
/// <param name="makers">The runs that make adapters, by name.</param>
internal sealed class InitialAdapterFolders(string directory, IReadOnlyDictionary<string, RunConfig> makers)
{
    private const string ConfigFile = "adapter_config.json";

    private readonly ConcurrentDictionary<string, Lock> _gates = new();

    /// <summary>The folder of a run's start; made where it is not there yet, while others that want the same wait.</summary>
    /// <param name="config">A run with a start.</param>
    /// <param name="make">Trains a run and writes its adapter to the folder.</param>
    /// <exception cref="DirectoryNotFoundException">It is a folder, and has no adapter in it.</exception>
    public string Folder(RunConfig config, Action<(RunConfig Config, string Folder, string Checkpoints)> make)
    {
        var start = config.Start!;
        if (!makers.TryGetValue(start, out var maker))
            return File.Exists(Path.Combine(start, ConfigFile))
                ? start
                : throw new DirectoryNotFoundException($"--start: '{start}' is neither a task nor a folder with an {ConfigFile}.");
        var folder = Path.Combine(directory, "starts", start);
        lock (_gates.GetOrAdd(start, _ => new()))
        {
            var work = folder + ".work";
            using var claim = Claim(work);
            if (File.Exists(Path.Combine(folder, ConfigFile)))
                return folder;
            make((maker, folder, Path.Combine(work, "checkpoint")));
            claim.Done();
        }
        return folder;
    }

    /// <summary>Refuses folders without an adapter before any run.</summary>
    /// <exception cref="DirectoryNotFoundException">One has none.</exception>
    public void Check(IEnumerable<RunConfig> groups)
    {
        foreach (var group in groups.Where(g => g.Start is not null && !makers.ContainsKey(g.Start)))
            Folder(group, _ => { });
    }

    // Another process may be making the same one.
    private static RunClaim Claim(string work)
    {
        while (true)
        {
            if (RunClaim.Try(work) is { } claim)
                return claim;
            Thread.Sleep(TimeSpan.FromSeconds(1));
        }
    }
}
