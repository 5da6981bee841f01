using System.Runtime.ExceptionServices;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Reads windows of rows ahead, scores each in batches of like length, and hands the rows out in order. While one window is
/// scored and read, the next ones are tokenised. Memory is bounded by <see cref="Depth"/> windows, however long the source.
/// </summary>
/// <remarks>
/// The source is read on the consumer's thread alone, as cursors require, and its errors come after the rows
/// before them, as they would without scoring. Disposing of the cursor early gives up the windows under way and waits for what cannot be given up.
/// </remarks>
internal sealed class ScoringCursor : DataViewRowCursor
{
    /// <summary>Rows a window at most: enough for batches of like length.</summary>
    internal const int Window = 512;

    /// <summary>Windows at a time: one read, one scored, one tokenised.</summary>
    internal const int Depth = 3;

    // Long texts end a window early.
    private const int WindowCharacters = 1 << 20;

    // The first windows are small, so that the first rows come soon and a preview computes little more than it shows.
    private const int FirstWindow = 32;

    private readonly DataViewRowCursor _input;
    private readonly ScoringSchema _schema;
    private readonly ITextScorer _scorer;
    private readonly Func<TextPair> _readTexts;
    private readonly ValueGetter<DataViewRowId> _readId;
    private readonly Dictionary<int, ColumnBuffer> _buffers;
    private readonly HashSet<int> _active;
    private readonly DataViewRowId[] _ids = new DataViewRowId[Depth * Window];
    private readonly long[] _batches = new long[Depth * Window];
    private readonly Queue<ReadWindow> _ahead = new(Depth);
    private ReadWindow? _current;
    private float[][] _logits = [];
    private int _windows;
    private int _size = FirstWindow;
    private int _row = -1; // Within the current window.
    private long _position = -1;
    private bool _ended;
    private ExceptionDispatchInfo? _failure; // of the source, told after the rows before it

    public ScoringCursor(DataViewRowCursor input, ScoringSchema schema, ITextScorer scorer, IReadOnlyCollection<DataViewSchema.Column> needed)
    {
        _input = input;
        _schema = schema;
        _scorer = scorer;
        _active = [.. needed.Select(c => c.Index)];
        _readTexts = schema.TextReader(input);
        _readId = input.GetIdGetter();
        _buffers = _active.Where(i => !schema.IsScore(i)).ToDictionary(i => i, i => ColumnBuffer.Create(input, schema.Input[i], Depth * Window));
    }

    public override DataViewSchema Schema => _schema.Output;

    public override long Position => _position;

    public override long Batch => IsAtRow ? _batches[Slot()] : 0;

    private bool IsAtRow => _row >= 0 && _row < _logits.Length;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override bool MoveNext()
    {
        if (++_row >= _logits.Length)
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
        var getter = _schema.IsScore(column.Index)
            ? _schema.Scores.Getter(_schema.ScoreIndex(column.Index), () => IsAtRow ? _logits[_row] : throw NotAtRow())
            : _buffers[column.Index].Getter(Slot);
        return getter as ValueGetter<TValue>
            ?? throw new InvalidOperationException($"The column '{column.Name}' has the type {column.Type}, which {typeof(TValue)} does not hold.");
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
        _logits = [];
        _row = 0;
        try
        {
            // Who asks for a second window will ask for more.
            for (int most = isFirst ? 1 : Depth; _ahead.Count < most && Read() is { } read;)
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
            _logits = run.Take();
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
        var texts = new List<TextPair>(_size);
        int firstSlot = _windows % Depth * Window;
        try
        {
            for (int characters = 0; !_ended && texts.Count < _size && characters < WindowCharacters && !(_ended = !_input.MoveNext());)
            {
                var text = Capture(firstSlot + texts.Count);
                texts.Add(text);
                characters += text.First.Length + (text.Second?.Length ?? 0);
            }
        }
        catch (Exception e)
        {
            (_ended, _failure) = (true, ExceptionDispatchInfo.Capture(e));
        }
        if (texts.Count == 0)
            return null;
        _windows++;
        _size = Math.Min(2 * _size, Window);
        return new(firstSlot, _scorer.Begin(texts));
    }

    private TextPair Capture(int slot)
    {
        foreach (var buffer in _buffers.Values)
            buffer.Capture(slot);
        _readId(ref _ids[slot]);
        _batches[slot] = _input.Batch;
        return _readTexts();
    }

    private void GiveUp()
    {
        while (_ahead.TryDequeue(out var window))
            window.Run.Dispose();
    }

    /// <summary>A window under way.</summary>
    /// <param name="FirstSlot">Where its rows' values are kept.</param>
    /// <param name="Run">Its scores to be.</param>
    private sealed record ReadWindow(int FirstSlot, ScoringRun Run)
    {
        /// <summary>After the last.</summary>
        public static ReadWindow None { get; } = new(0, null!);
    }
}
