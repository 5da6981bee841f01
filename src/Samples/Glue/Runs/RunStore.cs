using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>
/// A folder of results: <c>runs/NAME.json</c> for each run that ended, <c>work/NAME/</c> with the checkpoints of
/// those that have not, <c>plans/</c> with what was asked for.
/// </summary>
internal sealed class RunStore(string directory)
{
    private const string Extension = ".json";

    public string Directory { get; } = Path.GetFullPath(directory);

    public string RunsDirectory => Path.Combine(Directory, "runs");

    private string PlansDirectory => Path.Combine(Directory, "plans");

    public string PathOf(RunConfig config) => Path.Combine(RunsDirectory, config.Name() + Extension);

    /// <summary>Where a run keeps its checkpoints until it ends.</summary>
    public string WorkDirectory(RunConfig config) => Path.Combine(Directory, "work", config.Name());

    /// <summary>The record of a configuration, or null where it has not ended.</summary>
    /// <exception cref="RunFileException">The file is there and cannot be read, or holds another run.</exception>
    public RunRecord? Find(RunConfig config)
    {
        var path = PathOf(config);
        if (!File.Exists(path))
            return null;
        var record = Read(path);
        return record.Config == config
            ? record
            : throw new RunFileException(path, "holds another run than its name says; move it away and run again.");
    }

    /// <summary>All records, in the order of their names.</summary>
    /// <exception cref="RunFileException">There is no such folder, a file cannot be read, or two hold the same run.</exception>
    public IReadOnlyList<RunRecord> ReadAll()
    {
        if (!System.IO.Directory.Exists(RunsDirectory))
            return System.IO.Directory.Exists(PlansDirectory) ? [] // of a grid none of whose runs has ended
                : throw new RunFileException(RunsDirectory, "does not exist; give the folder that 'glue --out' wrote.");
        var known = new Dictionary<string, string>(StringComparer.Ordinal);
        var records = new List<RunRecord>();
        foreach (var path in Files())
        {
            records.Add(Read(path));
            if (!known.TryAdd(records[^1].Config.Name(), path))
                throw new RunFileException(path, $"and {known[records[^1].Config.Name()]} hold the same run; move one of them away.");
        }
        return records;
    }

    public IEnumerable<string> Files() =>
        System.IO.Directory.EnumerateFiles(RunsDirectory, "*" + Extension).OrderBy(p => Path.GetFileName(p), StringComparer.Ordinal);

    /// <summary>Keeps a plan, so that a report knows what is missing. Shards write the same one.</summary>
    public void Write(GridPlan plan)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(plan, RunJson.Options);
        System.IO.Directory.CreateDirectory(PlansDirectory);
        var path = Path.Combine(PlansDirectory, Convert.ToHexStringLower(SHA256.HashData(bytes))[..12] + Extension);
        if (!File.Exists(path))
            AtomicFile.Write(path, stream => stream.Write(bytes));
    }

    /// <summary>The plans of the commands that wrote here, in the order of their names; none where results are older than plans.</summary>
    public IReadOnlyList<GridPlan> ReadPlans() =>
        System.IO.Directory.Exists(PlansDirectory)
            ? [.. System.IO.Directory.EnumerateFiles(PlansDirectory, "*" + Extension).OrderBy(p => Path.GetFileName(p), StringComparer.Ordinal).Select(p => Read<GridPlan>(p, "plan", plan => plan.Format, GridPlan.CurrentFormat))]
            : [];

    /// <summary>Writes the record, whole or not at all.</summary>
    public void Write(RunRecord record)
    {
        System.IO.Directory.CreateDirectory(RunsDirectory);
        AtomicFile.Write(PathOf(record.Config), stream => JsonSerializer.Serialize(stream, record, RunJson.Options));
    }

    public static RunRecord Read(string path) => Read<RunRecord>(path, "run", record => record.Format, RunRecord.CurrentFormat);

    private static T Read<T>(string path, string what, Func<T, int> format, int current)
        where T : class
    {
        T? value;
        try
        {
            using var stream = File.OpenRead(path);
            value = JsonSerializer.Deserialize<T>(stream, RunJson.Options);
        }
        catch (JsonException e)
        {
            throw new RunFileException(path, $"is not a {what} file: {e.Message}", e);
        }
        if (value is null)
            throw new RunFileException(path, "is empty.");
        return format(value) > current
            ? throw new RunFileException(path, $"has format {format(value)}; this version reads up to {current}.")
            : value;
    }
}
