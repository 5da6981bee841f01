using System.Runtime.ExceptionServices;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Reads windows of rows ahead, scores each in batches of like length, and hands the rows out in order. While one window is
/// scored and read, the next ones are tokenised. Memory is bounded by <see cref="ScoringWindow.Depth"/> windows, however long the source.
/// </summary>
/// <remarks>
/// The source is read on the consumer's thread alone, as cursors require, and its errors come after the rows
/// before them, as they would without scoring. Disposing of the cursor early gives up the windows under way and waits for what cannot be given up.
/// </remarks>
internal sealed class ScoringCursor<TRow, TResult> : DataViewRowCursor
{
    private readonly DataViewRowCursor _input;
    private readonly RowSchema<TRow, TResult> _schema;
    private readonly IWindowScorer<TRow, TResult> _scorer;
    private readonly Func<TRow> _read;
    private readonly ValueGetter<DataViewRowId> _readId;
    private readonly Dictionary<int, ColumnBuffer> _buffers;
    private readonly HashSet<int> _active;
    private readonly DataViewRowId[] _ids = new DataViewRowId[ScoringWindow.Depth * ScoringWindow.Size];
    private readonly long[] _batches = new long[ScoringWindow.Depth * ScoringWindow.Size];
    private readonly Queue<ReadWindow> _ahead = new(ScoringWindow.Depth);
    private ReadWindow? _current;
    private TResult[] _results = [];
    private int _windows;
    private int _size = ScoringWindow.First;
    private long _readRows;
    private int _row = -1; // Within the current window.
    private long _position = -1;
    private bool _ended;
    private ExceptionDispatchInfo? _failure; // of the source, told after the rows before it

    public ScoringCursor(
        DataViewRowCursor input, RowSchema<TRow, TResult> schema, IWindowScorer<TRow, TResult> scorer, IReadOnlyCollection<DataViewSchema.Column> needed)
    {
        _input = input;
        _schema = schema;
        _scorer = scorer;
        _active = [.. needed.Select(c => c.Index)];
        _read = schema.Reader(input);
        _readId = input.GetIdGetter();
        _buffers = _active.Where(i => !schema.IsComputed(i)).ToDictionary(i => i, i => ColumnBuffer.Create(input, schema.Input[i], ScoringWindow.Depth * ScoringWindow.Size));
    }

    public override DataViewSchema Schema => _schema.Output;

    public override long Position => _position;

    public override long Batch => IsAtRow ? _batches[Slot()] : 0;

    private bool IsAtRow => _row >= 0 && _row < _results.Length;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override bool MoveNext()
    {
        if (++_row >= _results.Length)
            NextWindow();
        if (!IsAtRow)
        {
            _position = -1;
            return false;
        }
        _position++;
        return true;
    }

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column))
            throw new InvalidOperationException($"The column '{column.Name}' was not asked for when the cursor was made.");
        return _schema.IsComputed(column.Index)
            ? _schema.Getter<TValue>(column, () => IsAtRow ? _results[_row] : throw NotAtRow())
            : RowSchema<TRow, TResult>.OfType<TValue>(column, _buffers[column.Index].Getter(Slot));
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = _ids[Slot()];

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            GiveUp();
            _input.Dispose();
        }
        base.Dispose(disposing);
    }

    private static InvalidOperationException NotAtRow() => new("The cursor is not at a row: call MoveNext first.");

    private int Slot() => IsAtRow ? _current!.FirstSlot + _row : throw NotAtRow();

    private void NextWindow()
    {
        bool isFirst = _current is null;
        _results = [];
        _row = 0;
        try
        {
            // Who asks for a second window will ask for more.
            for (int most = isFirst ? 1 : ScoringWindow.Depth; _ahead.Count < most && Read() is { } read;)
                _ahead.Enqueue(read);
            if (!_ahead.TryDequeue(out _current))
            {
                _current = ReadWindow.None;
                var failure = _failure;
                _failure = null;
                failure?.Throw();
                return;
            }
            using var run = _current.Run;
            run.Advance();
            if (_ahead.TryPeek(out var next))
                next.Run.Advance(); // so that a device has work while this window is read
            _results = run.Take();
        }
        catch
        {
            // No row after a failed one: they would come out of order.
            _ended = true;
            GiveUp();
            throw;
        }
    }

    private ReadWindow? Read()
    {
        var rows = new List<TRow>(_size);
        int firstSlot = _windows % ScoringWindow.Depth * ScoringWindow.Size;
        try
        {
            for (int characters = 0; !_ended && rows.Count < _size && characters < ScoringWindow.Characters && !(_ended = !_input.MoveNext());)
            {
                var row = Capture(firstSlot + rows.Count);
                rows.Add(row);
                characters += _schema.Characters(row);
            }
        }
        catch (Exception e)
        {
            (_ended, _failure) = (true, ExceptionDispatchInfo.Capture(e));
        }
        if (rows.Count == 0)
            return null;
        _windows++;
        _size = Math.Min(2 * _size, ScoringWindow.Size);
        long first = _readRows;
        _readRows += rows.Count;
        return new(firstSlot, _scorer.Begin(rows, first));
    }

    private TRow Capture(int slot)
    {
        foreach (var buffer in _buffers.Values)
            buffer.Capture(slot);
        _readId(ref _ids[slot]);
        _batches[slot] = _input.Batch;
        return _read();
    }

    private void GiveUp()
    {
        while (_ahead.TryDequeue(out var window))
            window.Run.Dispose();
    }

    /// <summary>A window under way.</summary>
    /// <param name="FirstSlot">Where its rows' values are kept.</param>
    /// <param name="Run">Its scores to be.</param>
    private sealed record ReadWindow(int FirstSlot, ScoringRun<TResult> Run)
    {
        /// <summary>After the last.</summary>
        public static ReadWindow None { get; } = new(0, null!);
    }
}

/// <summary>How far a <see cref="ScoringCursor{TRow, TResult}"/> reads ahead.</summary>
internal static class ScoringWindow
{
    /// <summary>Rows a window at most: enough for batches of like length.</summary>
    public const int Size = 512;

    /// <summary>Windows at a time: one read, one scored, one tokenised.</summary>
    public const int Depth = 3;

    /// <summary>Characters a window, beyond which it ends early.</summary>
    public const int Characters = 1 << 20;

    /// <summary>Rows of the first window: few, so that the first rows come soon and a preview computes little more than it shows.</summary>
    public const int First = 32;
}
