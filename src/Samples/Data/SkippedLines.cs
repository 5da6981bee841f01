using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Data;

/// <summary>The malformed lines of a file that were left out. Rows may be read on other threads than the one that reports.</summary>
internal sealed class SkippedLines(string path)
{
    private const int MostShown = 50;

    private readonly SortedSet<long> _lines = [];
    private readonly HashSet<long> _places = [];
    private long _rows;

    public int Count
    {
        get
        {
            lock (_lines)
                return _lines.Count;
        }
    }

    /// <summary>A line was left out.</summary>
    public void Add(long line)
    {
        lock (_lines)
        {
            _places.Add(_rows++);
            _lines.Add(line);
        }
    }

    /// <summary>A row was read.</summary>
    public void Read()
    {
        lock (_lines)
            _rows++;
    }

    /// <summary>Whether the row with this number, from 0, header not counted, was left out. A row may span lines, so lines are not counted.</summary>
    public bool Has(long row)
    {
        lock (_lines)
            return _places.Contains(row);
    }

    /// <summary>Says how many lines there were, and which.</summary>
    public void Report(Terminal terminal, string consequence = "")
    {
        lock (_lines)
        {
            if (_lines.Count == 0)
                return;
            var shown = string.Join(", ", _lines.Take(MostShown)) + (_lines.Count > MostShown ? $" and {_lines.Count - MostShown} more" : "");
            terminal.Error.WriteLine(_lines.Count == 1
                ? $"lorainit: 1 malformed line of {path} was left out: line {shown}.{consequence}"
                : $"lorainit: {_lines.Count} malformed lines of {path} were left out: lines {shown}.{consequence}");
        }
    }
}
