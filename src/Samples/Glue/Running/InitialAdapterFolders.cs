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
    /// <param name="cancellation">Ends the waiting for another process that makes it.</param>
    /// <exception cref="DirectoryNotFoundException">It is a folder, and has no adapter in it.</exception>
    public string Folder(RunConfig config, Action<(RunConfig Config, string Folder, string Checkpoints)> make, CancellationToken cancellation)
    {
        var start = config.Start!;
        if (!makers.TryGetValue(start, out var maker))
            return IsThere(start)
                ? start
                : throw new DirectoryNotFoundException($"--start: '{start}' is neither a task nor a folder with an {ConfigFile}.");
        var folder = Path.Combine(directory, "starts", start);
        var work = folder + ".work";
        lock (_gates.GetOrAdd(start, _ => new()))
        {
            // The work folder of a process that was killed when it had made the adapter goes too.
            if (IsThere(folder) && !Directory.Exists(work))
                return folder;
            using var claim = Claim(work, cancellation);
            if (!IsThere(folder))
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
            Folder(group, _ => { }, CancellationToken.None);
    }

    /// <summary>The run that makes a run's start; null where it has none, or one that is given as a folder.</summary>
    public RunConfig? Maker(RunConfig config) => config.Start is { } start ? makers.GetValueOrDefault(start) : null;

    private static bool IsThere(string folder) => File.Exists(Path.Combine(folder, ConfigFile));

    // Another process may be making the same one.
    private static RunClaim Claim(string work, CancellationToken cancellation)
    {
        while (true)
        {
            if (RunClaim.Try(work) is { } claim)
                return claim;
            if (cancellation.WaitHandle.WaitOne(TimeSpan.FromSeconds(1)))
                cancellation.ThrowIfCancellationRequested();
        }
    }
}
