using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// Reads ahead a window of rows, has their adapters score them in common batches, and hands the rows out in order. Memory is
/// bounded by the window, however long the source. Where no prediction is asked for, nothing is computed.
/// </summary>
internal sealed class LibraryCursor : DataViewRowCursor
{
    // Long texts end a window early.
    private const int WindowCharacters = 1 << 20;

    // The first windows are small, so that the first rows come soon.
    private const int FirstWindow = 32;

    private readonly DataViewRowCursor _input;
    private readonly LibrarySchema _schema;
    private readonly AdapterLibrary _library;
    private readonly Func<AdapterRequest>? _read;
    private readonly ValueGetter<DataViewRowId> _readId;
    private readonly Dictionary<int, ColumnBuffer> _buffers;
    private readonly HashSet<int> _active;
    private readonly List<AdapterRequest> _rows = new(ScoringCursor.Window);
    private readonly DataViewRowId[] _ids = new DataViewRowId[ScoringCursor.Window];
    private readonly long[] _batches = new long[ScoringCursor.Window];
    private AdapterPrediction[] _predictions = [];
    private int _size = FirstWindow;
    private int _slot = -1;
    private int _filled;
    private long _readRows;
    private long _position = -1;
    private bool _ended;

    public LibraryCursor(DataViewRowCursor input, LibrarySchema schema, AdapterLibrary library, IReadOnlyCollection<DataViewSchema.Column> needed)
    {
        (_input, _schema, _library) = (input, schema, library);
        _active = [.. needed.Select(c => c.Index)];
        _read = _active.Any(schema.IsPrediction) ? schema.Reader(input) : null;
        _readId = input.GetIdGetter();
        _buffers = _active.Where(i => !schema.IsPrediction(i)).ToDictionary(i => i, i => ColumnBuffer.Create(input, schema.Input[i], ScoringCursor.Window));
    }

    public override DataViewSchema Schema => _schema.Output;

    public override long Position => _position;

    public override long Batch => _slot >= 0 && _slot < _filled ? _batches[_slot] : 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override bool MoveNext()
    {
        if (++_slot >= _filled)
            Fill();
        _position = _filled == 0 ? -1 : _position + 1;
        return _filled > 0;
    }

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column))
            throw new InvalidOperationException($"The column '{column.Name}' was not asked for when the cursor was made.");
        if (_schema.IsPrediction(column.Index))
            return _schema.Getter<TValue>(column, () => _predictions[Current()]);
        return _buffers[column.Index].Getter(Current) as ValueGetter<TValue>
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
        _rows.Clear();
        _slot = _filled = 0;
        int count = 0;
        for (int characters = 0; count < _size && characters < WindowCharacters; count++)
        {
            if (_ended || (_ended = !_input.MoveNext()))
                break;
            foreach (var buffer in _buffers.Values)
                buffer.Capture(count);
            _readId(ref _ids[count]);
            _batches[count] = _input.Batch;
            if (_read is null)
                continue;
            var row = _read();
            _rows.Add(row);
            characters += row.Text.Length + (row.Text2?.Length ?? 0);
        }
        _predictions = _rows.Count == 0 ? [] : _library.Score(_rows, _readRows);
        _readRows += count;
        _filled = count;
        _size = Math.Min(2 * _size, ScoringCursor.Window);
    }
}
