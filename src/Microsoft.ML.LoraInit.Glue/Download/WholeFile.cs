namespace Microsoft.ML.LoraInit.Glue.Download;

/// <summary>Files appear whole or not at all: written beside their place, flushed, then moved to it.</summary>
internal static class WholeFile
{
    /// <param name="path">The file; replaced where it exists. Its folder must exist.</param>
    /// <param name="write">Writes the content. Where it throws, the path is left as it was.</param>
    public static void Write(string path, Action<Stream> write)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary); // there only where something failed
        }
    }
}
