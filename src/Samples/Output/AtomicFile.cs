namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>
/// Files appear whole or not at all: written beside their place, then moved to it. A link is followed, a file that is replaced keeps
/// its mode, and a device or a pipe is written to.
/// </summary>
internal static class AtomicFile
{
    /// <summary>Tries the place, so that long work does not end with a file that cannot be written.</summary>
    /// <exception cref="UsageException">The folder does not exist or cannot be written to, or the path is a folder.</exception>
    public static void CheckPlace(string path, string option)
    {
        if (Directory.Exists(path))
            throw new UsageException($"{option}: {path} is a folder; give a file name.");
        if (SpecialFile.Is(path))
            return;
        var target = Usable(option, path, () => Target(path));
        var folder = Path.GetDirectoryName(target)!;
        if (!Directory.Exists(folder))
            throw new UsageException($"{option}: the folder {folder} does not exist.");
        Probe(folder, option, path);
    }

    /// <summary>Tries a folder that may have to be made.</summary>
    /// <exception cref="UsageException">It cannot be made or written to, or is a file.</exception>
    public static void CheckFolder(string path, string option)
    {
        if (File.Exists(path))
            throw new UsageException($"{option}: {path} is a file; give a folder.");
        var folder = Path.GetFullPath(path);
        while (!Directory.Exists(folder) && Path.GetDirectoryName(folder) is { } parent)
            folder = parent;
        Probe(folder, option, path);
    }

    /// <summary>Writes through a temporary file in the same folder; where <paramref name="write"/> throws, the path is left as it was.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        if (SpecialFile.Is(path))
        {
            SpecialFile.Write(path, write);
            return;
        }
        var target = Target(path);
        var temporary = Beside(Path.GetDirectoryName(target)!, target);
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                if (!OperatingSystem.IsWindows() && File.Exists(target))
                    File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(target)); // before there is anything to read
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
        }
        catch (IOException e)
        {
            throw new IOException($"'{path}' could not be written: {e.Message}", e) { HResult = e.HResult };
        }
        finally
        {
            File.Delete(temporary); // there only where something failed
        }
    }

    // A link that leads nowhere yet makes the file that it names.
    private static string Target(string path) => new FileInfo(path).LinkTarget is null
        ? Path.GetFullPath(path)
        : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;

    private static string Beside(string folder, string path) => Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");

    private static void Probe(string folder, string option, string path) => Usable(option, path, () =>
    {
        using var probe = new FileStream(Beside(folder, path.TrimEnd('/', '\\')), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        return true;
    });

    private static T Usable<T>(string option, string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UsageException($"{option}: {path} cannot be written: {e.Message}", e);
        }
    }
}
