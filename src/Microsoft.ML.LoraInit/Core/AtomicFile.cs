namespace Microsoft.ML.LoraInit.Core;

/// <summary>Writes a file so that its path holds either the old content or the whole new content, never a part.</summary>
internal static class AtomicFile
{
    /// <summary>Writes through a temporary file in the same folder, flushed to the disk and then moved over the path.</summary>
    /// <param name="path">The file; replaced where it exists. Its folder must exist.</param>
    /// <param name="write">Writes the content. Where it throws, the path is left as it was.</param>
    /// <exception cref="IOException">The file cannot be written (no space, no such folder); the message names the path.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        path = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(path) ?? throw new IOException($"'{path}' names a folder, not a file.");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"'{path}' cannot be written: its folder does not exist.");
        var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception exception)
        {
            DeleteQuietly(temporary);
            if (exception is IOException)
                throw new IOException($"'{path}' could not be written: {exception.Message}", exception) { HResult = exception.HResult };
            throw;
        }
    }

    private static void DeleteQuietly(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The failure under way matters more than a left-over temporary file.
        }
    }
}
