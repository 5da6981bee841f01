using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>
/// A file of rows, or standard input (<c>-</c>), whatever its format: opened once and read once, so that it may be a pipe. Its first line
/// is known before the rest is asked for.
/// </summary>
internal sealed class DataFile : IDisposable
{
    /// <summary>What stands for standard input and output.</summary>
    public const string Standard = "-";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stream _stream;
    private readonly IEnumerator<TextFileLine> _lines;
    private readonly bool _hasFirst;

    private DataFile(string name, DataFormat format, Stream stream, IEnumerable<TextFileLine> lines)
    {
        (Name, Format, _stream, _lines) = (name, format, stream, Strict(lines, name).GetEnumerator());
        _hasFirst = _lines.MoveNext();
    }

    /// <summary>What messages call it.</summary>
    public string Name { get; }

    public DataFormat Format { get; }

    /// <summary>The names of the columns, where the first line has them; none in an empty file.</summary>
    public IReadOnlyList<string?> FirstLine => _hasFirst ? _first ??= _lines.Current.Cells : [];

    private IReadOnlyList<string?>? _first;

    /// <summary>Opens and reads the first line.</summary>
    /// <exception cref="GlueDataException">The file is missing or not readable, or its first line is not of its format.</exception>
    public static DataFile Open(string path, DataFormat format, char? delimiter, TextLayout layout, Terminal terminal)
    {
        var stream = path == Standard ? terminal.OpenInput() : OpenFile(path);
        // Parquet is read here and there, so the hash of a file is a reading of its own.
        if (format != DataFormat.Parquet || !stream.CanSeek)
            stream = new HashedStream(stream);
        try
        {
            var name = path == Standard ? "standard input" : path;
            return new(name, format, stream, format switch
            {
                DataFormat.Csv => CsvLines.Read(Text(stream), name, delimiter, layout.SkipMalformed),
                DataFormat.Jsonl => JsonLines.Read(Text(stream), name, layout.LabelDelimiter, layout.SkipMalformed),
                DataFormat.Parquet => ParquetLines.Read(Seekable(stream), name),
                _ => TextFile.ReadLines(stream, name),
            });
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Of all bytes; to be asked for when the lines have been read.</summary>
    public string Sha256()
    {
        if (_stream is HashedStream hashed)
            return hashed.Sha256();
        _stream.Position = 0;
        return Convert.ToHexStringLower(SHA256.HashData(_stream));
    }

    /// <summary>All lines, the first one included; once.</summary>
    public IEnumerable<TextFileLine> Lines()
    {
        if (!_hasFirst)
            yield break;
        _first ??= _lines.Current.Cells;
        do
            yield return _lines.Current;
        while (_lines.MoveNext());
    }

    /// <summary>All rows, at least one; lines left out are reported.</summary>
    /// <exception cref="GlueDataException">Something is wrong with the file; the message says where.</exception>
    public IReadOnlyList<TextFileRow> ReadAll(TextLayout layout, Terminal terminal)
    {
        var skipped = new SkippedLines(Name);
        var rows = TextFile.ReadAll(Lines(), Name, layout, skipped.Add);
        skipped.Report(terminal);
        return rows;
    }

    public void Dispose()
    {
        _lines.Dispose();
        _stream.Dispose();
    }

    private static StreamReader Text(Stream stream) => new(stream, StrictUtf8, detectEncodingFromByteOrderMarks: true, leaveOpen: true);

    private static FileStream OpenFile(string path)
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

    // Parquet's directory is at its end, which a pipe does not show before all of it has come.
    private static Stream Seekable(Stream stream)
    {
        if (stream.CanSeek)
            return stream;
        var whole = new MemoryStream();
        stream.CopyTo(whole);
        whole.Position = 0;
        return whole;
    }

    private static IEnumerable<TextFileLine> Strict(IEnumerable<TextFileLine> lines, string name)
    {
        using var each = lines.GetEnumerator();
        long last = 0;
        while (true)
        {
            try
            {
                if (!each.MoveNext())
                    yield break;
            }
            catch (DecoderFallbackException e)
            {
                throw new GlueDataException(name, null, null, $"the bytes after line {last} are not UTF-8; save the file as UTF-8.", e);
            }
            last = each.Current.Number;
            yield return each.Current;
        }
    }
}
