namespace Microsoft.ML.LoraInit;

/// <summary>Writes a folder of files so that its path holds all of them or none.</summary>
public static class AtomicFolder
{
    /// <summary>Writes into a temporary folder beside the path, which is then moved to it.</summary>
    /// <param name="path">The folder; must not exist, or be empty.</param>
    /// <param name="write">Writes the files into the folder that it is given. Where it throws, nothing is left behind.</param>
    /// <exception cref="IOException">The folder is not empty, its parent does not exist, or it cannot be written.</exception>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        Check(path);
        var temporary = AtomicFile.Temporary(path);
        try
        {
            Directory.CreateDirectory(temporary);
            write(temporary);
            if (Directory.Exists(path))
                Directory.Delete(path);
            Directory.Move(temporary, path);
        }
        catch
        {
            DeleteQuietly(temporary);
            throw;
        }
    }

    /// <summary>Refuses a place that cannot be written to, before long work.</summary>
    /// <exception cref="IOException">The folder is not empty, the path is a file, or the parent does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The parent may not be written to.</exception>
    public static void Check(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (File.Exists(path))
            throw new IOException($"'{path}' is a file: name a folder to write to.");
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new IOException($"The folder '{path}' is not empty: name a new one, or delete it first.");
        if (Path.GetDirectoryName(path) is not { } parent || !Directory.Exists(parent))
            throw new DirectoryNotFoundException($"'{path}' cannot be written: the folder that it should lie in does not exist.");
        CheckPlace(parent);
    }

    /// <summary>Refuses a folder to put files into that cannot be made or written to, before long work. It may hold others already. Nothing is left behind.</summary>
    /// <param name="path">The folder; it and those above it need not exist.</param>
    /// <exception cref="IOException">The path, or a part of it, is a file, or nothing can be written there.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder, or the one that it has to be made in, may not be written to.</exception>
    public static void CheckPlace(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
            throw new IOException($"'{path}' is a file: name a folder to write to.");
        var folder = Path.GetFullPath(path);
        while (!Directory.Exists(folder) && Path.GetDirectoryName(folder) is { } parent)
            folder = File.Exists(folder) ? throw new IOException($"The folder '{path}' cannot be made: '{folder}' is a file.") : parent;
        try
        {
            AtomicFile.Check(Path.Combine(folder, "probe"));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UnauthorizedAccessException($"The folder '{path}' cannot be made or written to: '{folder}' allows no new files.", e);
        }
        catch (IOException e)
        {
            throw new IOException($"The folder '{path}' cannot be made or written to. {e.Message}", e) { HResult = e.HResult };
        }
    }

    private static void DeleteQuietly(string path)
    {
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The failure under way matters more than left-over temporary files.
        }
    }
}
