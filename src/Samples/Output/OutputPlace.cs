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
}
