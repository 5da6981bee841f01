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
        Try(() => AtomicFile.Check(path), option);
    }

    /// <summary>Tries a folder that may have to be made.</summary>
    /// <exception cref="UsageException">It cannot be made or written to, or is a file.</exception>
    public static void CheckFolder(string path, string option) => Try(() => AtomicFolder.CheckPlace(path), option);

    /// <summary>Tries a folder that has to be new or empty.</summary>
    /// <exception cref="UsageException">It holds something, is a file, or the folder that it should lie in does not exist.</exception>
    public static void CheckNewFolder(string path, string option) => Try(() => AtomicFolder.Check(path), option);

    private static void Try(Action check, string option)
    {
        try
        {
            check();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{option}: {e.Message}", e);
        }
    }
}
