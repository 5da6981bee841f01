using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Reads ahead a window of rows, scores it in batches of like length, and hands the rows out in order. Memory is bounded by
/// the window, however long the source.
/// </summary>
internal sealed class ScoringCursor : DataViewRowCursor
{
    /// <summary>Rows read ahead at most: enough for batches of like length.</summary>
    internal const int Window = 512;

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
    private readonly List<TextPair> _texts = new(Window);
    private readonly DataViewRowId[] _ids = new DataViewRowId[Window];
    private readonly long[] _batches = new long[Window];
    private float[][] _logits = [];
    private int _size = FirstWindow;
    private int _slot = -1;
    private int _filled;
    private long _position = -1;
    private bool _ended;

    public ScoringCursor(DataViewRowCursor input, ScoringSchema schema, ITextScorer scorer, IReadOnlyCollection<DataViewSchema.Column> needed)
    {
        _input = input;
        _schema = schema;
        _scorer = scorer;
        _active = [.. needed.Select(c => c.Index)];
        _readTexts = schema.TextReader(input);
        _readId = input.GetIdGetter();
        _buffers = _active.Where(i => !schema.IsScore(i)).ToDictionary(i => i, i => ColumnBuffer.Create(input, schema.Input[i], Window));
    }

    public override DataViewSchema Schema => _schema.Output;

    public override long Position => _position;

    public override long Batch => _slot >= 0 && _slot < _filled ? _batches[_slot] : 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override bool MoveNext()
    {
        if (++_slot >= _filled)
            Fill();
        if (_filled == 0)
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
            ? _schema.Scores.Getter(_schema.ScoreIndex(column.Index), () => _logits[Current()])
            : _buffers[column.Index].Getter(Current);
        return getter as ValueGetter<TValue>
            ?? throw new InvalidOperationException($"The column '{column.Name}' has the type {column.Type}, which {typeof(TValue)} does not hold.");
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = _ids[Current()];

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _input.Dispose();
        base.Dispose(disposing);
    }

    private int Current() => _slot >= 0 && _slot < _filled
        ? _slot
        : throw new InvalidOperationException("The cursor is not at a row: call MoveNext first.");

    private void Fill()
    {
        _texts.Clear();
        _slot = _filled = 0;
        for (int characters = 0; _texts.Count < _size && characters < WindowCharacters;)
        {
            if (_ended || (_ended = !_input.MoveNext()))
                break;
            int slot = _texts.Count;
            foreach (var buffer in _buffers.Values)
                buffer.Capture(slot);
            _readId(ref _ids[slot]);
            _batches[slot] = _input.Batch;
            var texts = _readTexts();
            _texts.Add(texts);
            characters += texts.First.Length + (texts.Second?.Length ?? 0);
        }
        _logits = _texts.Count == 0 ? [] : _scorer.Score(_texts);
        _filled = _texts.Count;
        _size = Math.Min(2 * _size, Window);
    }
}
