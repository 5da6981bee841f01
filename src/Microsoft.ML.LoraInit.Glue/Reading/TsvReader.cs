using System.Text;

namespace Microsoft.ML.LoraInit.Glue.Reading;

/// <summary>
/// Reads tab-separated text as GLUE publishes it: UTF-8 with or without a byte-order mark, lines that end in LF or
/// CRLF, and no quoting: a quotation mark is text. ML.NET's TextLoader would give some of these marks a meaning.
/// </summary>
internal static class TsvReader
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The lines in order, read as they are asked for. Only an empty last line is left out.</summary>
    /// <exception cref="GlueDataException">The file is missing, is not readable or is not UTF-8.</exception>
    public static IEnumerable<TextFileLine> Read(string path)
    {
        using var stream = Open(path);
        foreach (var line in Read(stream, path))
            yield return line;
    }

    /// <summary>The lines of a stream, which stays open; <paramref name="path"/> is what messages call it.</summary>
    /// <exception cref="GlueDataException">It is not UTF-8.</exception>
    public static IEnumerable<TextFileLine> Read(Stream stream, string path)
    {
        using var reader = new StreamReader(stream, StrictUtf8, detectEncodingFromByteOrderMarks: true, leaveOpen: true);
        var pending = new StringBuilder();
        var buffer = new char[1 << 16];
        long number = 0;
        for (int count; (count = ReadBlock(reader, buffer, path, number)) > 0;)
        {
            int start = 0;
            for (int end; (end = Array.IndexOf(buffer, '\n', start, count - start)) >= 0; start = end + 1)
            {
                pending.Append(buffer, start, end - start);
                yield return Cut(pending, ++number);
            }
            pending.Append(buffer, start, count - start);
        }
        if (pending.Length > 0)
            yield return Cut(pending, number + 1);
    }

    private static TextFileLine Cut(StringBuilder pending, long number)
    {
        if (pending.Length > 0 && pending[^1] == '\r')
            pending.Length--;
        var line = new TextFileLine(number, pending.ToString().Split('\t'));
        pending.Clear();
        return line;
    }

    /// <summary>Opens a file, with errors that say what to do.</summary>
    /// <exception cref="GlueDataException">The file is missing or not readable.</exception>
    private static FileStream Open(string path)
    {
        if (Directory.Exists(path))
            throw new GlueDataException(path, null, null, "this is a folder, not a file.");
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new GlueDataException(path, null, null, "there is no such file.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GlueDataException(path, null, null, $"the file cannot be read ({e.Message}).", e);
        }
    }

    private static int ReadBlock(StreamReader reader, char[] buffer, string path, long number)
    {
        try
        {
            return reader.Read(buffer, 0, buffer.Length);
        }
        catch (DecoderFallbackException e)
        {
            throw new GlueDataException(path, null, null, $"the bytes after line {number} are not UTF-8; save the file as UTF-8.", e);
        }
    }
}
