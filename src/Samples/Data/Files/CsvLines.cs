using Microsoft.ML.LoraInit.Glue;
using nietras.SeparatedValues;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>
/// Reads separated values as RFC 4180 has them: a cell in quotation marks may hold the delimiter, line breaks and, doubled, quotation marks.
/// Blank lines are left out, and so is Excel's <c>sep=;</c> before the header, which says the delimiter.
/// </summary>
internal static class CsvLines
{
    private static readonly char[] Known = [',', ';', '\t', '|'];

    /// <param name="reader">The text.</param>
    /// <param name="path">What messages call it.</param>
    /// <param name="delimiter">What stands between the cells, or null for the one that the first line has.</param>
    /// <param name="skipMalformed">Give a line with misplaced quotation marks as one without cells instead of refusing it.</param>
    /// <exception cref="GlueDataException">Quotation marks are misplaced; the message names line and column.</exception>
    /// <exception cref="UsageException">The delimiter is not told, and the first line has several that could be it.</exception>
    public static IEnumerable<TextFileLine> Read(TextReader reader, string path, char? delimiter, bool skipMalformed)
    {
        // The first line is needed before the parser, which takes a reader from its beginning.
        using var text = delimiter is null ? new FirstLineReader(reader) : null;
        bool said = text?.FirstLine.TrimEnd('\r', '\n') is ['s' or 'S', 'e' or 'E', 'p' or 'P', '=', _];
        char separator = delimiter ?? (said ? text!.FirstLine[4] : Guess(text!.FirstLine, path));
        using var rows = Sep.New(separator).Reader(o => o with { HasHeader = false, DisableColCountCheck = true, Unescape = false }).From(text ?? reader);
        long next = 1;
        string[] header = [];
        while (rows.MoveNext())
        {
            var row = rows.Current;
            var cells = new string[row.ColCount];
            for (int i = 0; i < cells.Length; i++)
                cells[i] = row[i].ToString();
            (long number, next) = (next, row.LineNumberToExcl);
            if ((cells is [""] && header.Length != 1) || (said && number == 1))
                continue;
            int wrong = Array.FindIndex(cells, cell => Unquote(cell, separator) is null);
            if (wrong >= 0 && !skipMalformed)
                throw new GlueDataException(path, number, wrong < header.Length ? header[wrong] : $"{wrong + 1}", Problem(cells[wrong]));
            cells = wrong >= 0 ? [] : Array.ConvertAll(cells, cell => Unquote(cell, separator)!);
            if (header.Length == 0)
                header = cells;
            yield return new(number, cells);
        }
    }

    /// <summary>The one delimiter that a line has outside quotation marks; a comma where it has none.</summary>
    private static char Guess(string line, string path)
    {
        bool quoted = false;
        HashSet<char> found = [];
        foreach (char c in line)
        {
            if (c == '"')
                quoted = !quoted;
            else if (!quoted && Known.Contains(c))
                found.Add(c);
        }
        return found.Count switch
        {
            0 => ',',
            1 => found.Single(),
            _ => throw new UsageException($"{path}, line 1: {string.Join(" and ", found.Select(Name))} all could be what separates the columns; say which with --delimiter."),
        };
    }

    private static string Name(char c) => c == '\t' ? "a tab" : $"'{c}'";

    /// <summary>The text that a cell stands for, or null where its quotation marks do not pair.</summary>
    private static string? Unquote(string cell, char separator)
    {
        if (!cell.StartsWith('"'))
            return cell.Contains('"') && cell.AsSpan().ContainsAny(separator, '\n', '\r') ? null : cell;
        if (cell.Length < 2 || !cell.EndsWith('"'))
            return null;
        var inner = cell[1..^1].Replace("\"\"", "\0", StringComparison.Ordinal);
        return inner.Contains('"') ? null : inner.Replace('\0', '"');
    }

    private static string Problem(string cell) => cell.StartsWith('"')
        ? "the cell begins with a quotation mark and does not end with its partner; close it, and double the quotation marks inside."
        : "a quotation mark stands inside a cell that does not begin with one; put the cell in quotation marks and double those inside.";

    /// <summary>A reader whose first line has been looked at.</summary>
    private sealed class FirstLineReader : TextReader
    {
        private readonly TextReader _rest;
        private readonly string _first;
        private int _at;

        public FirstLineReader(TextReader reader)
        {
            _rest = reader;
            var first = new System.Text.StringBuilder();
            // Line breaks inside quotation marks do not end it.
            bool quoted = false;
            for (int c; (c = reader.Read()) >= 0;)
            {
                first.Append((char)c);
                quoted ^= c == '"';
                if (!quoted && (c == '\n' || (c == '\r' && reader.Peek() != '\n')))
                    break;
            }
            _first = first.ToString();
        }

        public string FirstLine => _first;

        public override int Read() => _at < _first.Length ? _first[_at++] : _rest.Read();

        public override int Peek() => _at < _first.Length ? _first[_at] : _rest.Peek();

        public override int Read(char[] buffer, int index, int count) => Read(buffer.AsSpan(index, count));

        public override int Read(Span<char> buffer)
        {
            if (_at == _first.Length)
                return _rest.Read(buffer);
            int taken = Math.Min(buffer.Length, _first.Length - _at);
            _first.AsSpan(_at, taken).CopyTo(buffer);
            _at += taken;
            return taken;
        }
    }
}
