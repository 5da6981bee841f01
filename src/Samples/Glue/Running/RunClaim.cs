using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>
/// Keeps two processes off one cell: a lock file in the run's work folder, released by the system when its holder
/// is killed. Processes on file systems without locks must be given different shards.
/// </summary>
internal sealed class RunClaim : IDisposable
{
    private readonly string _directory;
    private readonly FileStream _file;

    private RunClaim(string directory, FileStream file)
    {
        _directory = directory;
        _file = file;
    }

    /// <summary>The claim, or null where another holds it.</summary>
    public static RunClaim? Try(string workDirectory)
    {
        Directory.CreateDirectory(workDirectory);
        try
        {
            return new(workDirectory, new FileStream(Path.Combine(workDirectory, "claim"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException) when (Directory.Exists(workDirectory))
        {
            return null;
        }
    }

    /// <summary>Counts starts over kills: the number is kept in the lock file.</summary>
    public int CountAttempt()
    {
        using var reader = new StreamReader(_file, leaveOpen: true);
        _ = int.TryParse(reader.ReadToEnd(), NumberStyles.None, CultureInfo.InvariantCulture, out var before);
        _file.SetLength(0);
        _file.Write(System.Text.Encoding.ASCII.GetBytes((before + 1).ToString(CultureInfo.InvariantCulture)));
        _file.Flush();
        return before + 1;
    }

    /// <summary>The run is recorded: its checkpoints are of no more use.</summary>
    public void Done() => Directory.Delete(_directory, recursive: true);

    public void Dispose()
    {
        _file.Dispose();
    }
}
