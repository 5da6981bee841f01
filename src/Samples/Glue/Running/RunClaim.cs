using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>
/// Keeps two processes off one cell: a lock file in the run's work folder, released by the system when its holder
/// is killed. Processes on file systems without locks must be given different shards.
/// </summary>
internal sealed class RunClaim : IDisposable
{
    private const string LockFile = "claim";

    // What Unix answers where a folder is removed while it is being made.
    private const int AlreadyExists = 17;

    private readonly string _directory;
    private readonly FileStream _file;

    private RunClaim(string directory, FileStream file)
    {
        _directory = directory;
        _file = file;
    }

    // What the system answers where another holds the lock: EWOULDBLOCK of Linux and of macOS, ERROR_SHARING_VIOLATION.
    private static bool IsHeld(IOException e) => e.HResult is 11 or 35 or unchecked((int)0x80070020);

    /// <summary>The claim, or null where another holds it.</summary>
    /// <exception cref="IOException">The lock file cannot be made.</exception>
    public static RunClaim? Try(string workDirectory)
    {
        var path = Path.Combine(workDirectory, LockFile);
        while (true)
        {
            try
            {
                Directory.CreateDirectory(workDirectory);
                var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                if (File.Exists(path))
                    return new(workDirectory, file);
                file.Dispose(); // Its holder was done with it between its opening and its lock.
            }
            catch (IOException e) when (IsHeld(e))
            {
                return null;
            }
            catch (IOException e) when (e is DirectoryNotFoundException or FileNotFoundException || (e.HResult == AlreadyExists && !File.Exists(workDirectory)))
            {
                // Done a moment earlier.
            }
        }
    }

    /// <summary>Removes what a process left that was killed between a run's record and <see cref="Done"/>.</summary>
    public static void Clear(string workDirectory)
    {
        if (!Directory.Exists(workDirectory))
            return;
        using var claim = Try(workDirectory);
        claim?.Done();
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
    public void Done()
    {
        try
        {
            // The lock goes last: whoever gets it then finds nothing else, and nobody's checkpoints are half gone.
            foreach (var entry in new DirectoryInfo(_directory).GetFileSystemInfos().Where(e => e.Name != LockFile))
                if (entry is DirectoryInfo folder)
                    folder.Delete(recursive: true);
                else
                    entry.Delete();
            _file.Dispose(); // Windows deletes no open file.
            Directory.Delete(_directory, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another looks at it just now, finds the record, and removes it; or the next start does.
        }
    }

    /// <summary>Another has ended the run, with its checkpoints kept or not: no trace of this look stays.</summary>
    public void Leave()
    {
        try
        {
            if (_file.Length == 0 && Directory.GetFileSystemEntries(_directory).Length == 1)
                Done();
        }
        catch (DirectoryNotFoundException)
        {
            // It is gone already.
        }
    }

    public void Dispose() => _file.Dispose();
}
