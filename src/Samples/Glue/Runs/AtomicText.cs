using System.Text;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>Writes a text file so that a reader, or a kill, sees the old or the new one and nothing between.</summary>
internal static class AtomicText
{
    public static void Write(string path, string text)
    {
        // In the same folder, so that the move stays within one file system; unlike names, so that processes do not meet.
        var temporary = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                stream.Write(Encoding.UTF8.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
