using System.IO.Compression;
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

    /// <summary>What messages call standard input.</summary>
    public const string StandardName = "standard input";

    // A list of JSON may stand in one line.
    private const long LongestLine = 64 << 20, LongestList = 512 << 20;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stream _stream;
    private readonly JsonRows _json;
    private readonly IEnumerator<TextFileLine> _lines;
    private readonly bool _hasFirst;

    private DataFile(string name, DataFormat format, Stream stream, IEnumerable<TextFileLine> lines, JsonRows json)
    {
        (Name, Format, _stream, _lines, _json) = (name, format, stream, Strict(lines, name, stream).GetEnumerator(), json);
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
        var stream = path == Standard ? Hashed(terminal.OpenInput()) : OpenFile(path);
        try
        {
            var name = path == Standard ? StandardName : path;
            if (format != DataFormat.Parquet)
                FileKindCheck.Text(stream, name);
            var json = new JsonRows { LabelDelimiter = layout.LabelDelimiter };
            return new(name, format, stream, format switch
            {
                DataFormat.Csv => CsvLines.Read(Text(new LineGuard(stream, name, LongestLine)), name, delimiter, layout.SkipMalformed),
                DataFormat.Jsonl => JsonLines.Read(Text(new LineGuard(stream, name, LongestList)), name, json, layout.SkipMalformed),
                DataFormat.Parquet => ParquetLines.Read(Seekable(stream), name),
                _ => TextFile.ReadLines(new LineGuard(stream, name, LongestLine), name),
            }, json);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Of the bytes of the file as it lies there, or that came from a pipe; to be asked for when the lines have been read.</summary>
    public string Sha256()
    {
        var bytes = _stream is GZipStream packed ? packed.BaseStream : _stream;
        if (bytes is HashedStream pipe)
            return pipe.Sha256();
        bytes.Position = 0;
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    /// <summary>All lines, the first one included; once. The layout says which column may hold lists, where the format has them.</summary>
    public IEnumerable<TextFileLine> Lines(TextLayout layout)
    {
        _json.ListColumn = layout.Kind == TaskKind.MultiLabel ? layout.Label : null;
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
        var rows = TextFile.ReadAll(Lines(layout), Name, layout, skipped.Add);
        skipped.Report(terminal);
        return rows;
    }

    public void Dispose()
    {
        _lines.Dispose();
        _stream.Dispose();
    }

    private static StreamReader Text(Stream stream) => new(stream, StrictUtf8, detectEncodingFromByteOrderMarks: true, leaveOpen: true);

    // What cannot be read again.
    private static Stream Hashed(Stream stream) => stream.CanSeek ? stream : new HashedStream(stream);

    private static Stream OpenFile(string path)
    {
        if (Directory.Exists(path))
            throw new GlueDataException(path, null, null, "this is a folder, not a file.");
        try
        {
            var file = Hashed(File.OpenRead(path));
            return DataFormats.IsGzip(path) ? new GZipStream(file, CompressionMode.Decompress) : file;
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

    private static IEnumerable<TextFileLine> Strict(IEnumerable<TextFileLine> lines, string name, Stream stream)
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
            catch (Exception e) when (e is DecoderFallbackException or GlueDataException { InnerException: DecoderFallbackException })
            {
                throw NotUtf8(name, last, stream, e);
            }
            catch (InvalidDataException e) when (stream is GZipStream)
            {
                throw new GlueDataException(name, null, null, $"this cannot be unpacked as gzip ({e.Message})", e);
            }
            last = each.Current.Number;
            yield return each.Current;
        }
    }

    // Text is decoded ahead of the line that is being read, so the line is looked for.
    private static GlueDataException NotUtf8(string name, long last, Stream stream, Exception e)
    {
        const string Advice = "save the file as UTF-8 (in Excel: 'CSV UTF-8'; elsewhere: iconv -f WINDOWS-1252 -t UTF-8).";
        if (!stream.CanSeek)
            return new(name, null, null, $"there are bytes after line {last} that are not UTF-8; {Advice}", e);
        stream.Position = 0;
        return new(name, FileKindCheck.FirstLineNotUtf8(stream), null, $"this is not UTF-8; {Advice}", e);
    }
}
