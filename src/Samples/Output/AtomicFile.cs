namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Files appear whole or not at all: written beside their place, then moved to it.</summary>
internal static class AtomicFile
{
    /// <exception cref="UsageException">The folder does not exist, or the path is a folder.</exception>
    public static void CheckPlace(string path, string option)
    {
        if (Directory.Exists(path))
            throw new UsageException($"{option}: {path} is a folder; give a file name.");
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new UsageException($"{option}: the folder {folder} does not exist.");
    }

    public static void Write(string path, Action<Stream> write) => Checkpoints.AtomicFile.Write(path, write);
}
