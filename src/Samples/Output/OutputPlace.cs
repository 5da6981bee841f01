namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Tells before the work whether its result can be written.</summary>
internal static class OutputPlace
{
    /// <exception cref="UsageException">The path is a folder, its folder does not exist, or nothing can be written there; the message names the option.</exception>
    public static void Check(string path, string option)
    {
        if (Directory.Exists(path))
            throw new UsageException($"{option}: {path} is a folder; give a file name.");
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new UsageException($"{option}: the folder {folder} does not exist.");
        try
        {
            AtomicFile.Check(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{option}: {e.Message}", e);
        }
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
        try
        {
            AtomicFile.Check(Path.Combine(folder, "probe"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{option}: the folder {path} cannot be made or written to. {e.Message}", e);
        }
    }
}
