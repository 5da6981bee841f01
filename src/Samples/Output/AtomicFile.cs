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

    /// <summary>Writes through a temporary file in the same folder; where <paramref name="write"/> throws, the path is left as it was.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
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
}
