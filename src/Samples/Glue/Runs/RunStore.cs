using System.Text.Json;
using Microsoft.ML.LoraInit.Checkpoints;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>
/// A folder of results: <c>runs/NAME.json</c> for each run that ended, <c>work/NAME/</c> with the checkpoints of
/// those that have not.
/// </summary>
internal sealed class RunStore(string directory)
{
    private const string Extension = ".json";

    public string Directory { get; } = Path.GetFullPath(directory);

    public string RunsDirectory => Path.Combine(Directory, "runs");

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
    public IReadOnlyList<RunRecord> ReadAll() =>
        System.IO.Directory.Exists(RunsDirectory)
            ? [.. Files().Select(Read)]
            : throw new RunFileException(RunsDirectory, "does not exist; give the folder that 'glue --out' wrote.");

    public IEnumerable<string> Files() =>
        System.IO.Directory.EnumerateFiles(RunsDirectory, "*" + Extension).OrderBy(p => Path.GetFileName(p), StringComparer.Ordinal);

    /// <summary>Writes the record, whole or not at all.</summary>
    public void Write(RunRecord record)
    {
        System.IO.Directory.CreateDirectory(RunsDirectory);
        AtomicFile.Write(PathOf(record.Config), stream => JsonSerializer.Serialize(stream, record, RunJson.Options));
    }

    public static RunRecord Read(string path)
    {
        RunRecord? record;
        try
        {
            using var stream = File.OpenRead(path);
            record = JsonSerializer.Deserialize<RunRecord>(stream, RunJson.Options);
        }
        catch (JsonException e)
        {
            throw new RunFileException(path, $"is not a run file: {e.Message}", e);
        }
        return record switch
        {
            null => throw new RunFileException(path, "is empty."),
            { Format: > RunRecord.CurrentFormat } => throw new RunFileException(path, $"has format {record.Format}; this version reads up to {RunRecord.CurrentFormat}."),
            _ => record,
        };
    }
}
