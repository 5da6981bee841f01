using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Scores one row at a time: what a <c>PredictionEngine</c> uses.</summary>
internal sealed class LibraryRowMapper(LibrarySchema schema, AdapterLibrary library) : IRowToRowMapper
{
    public DataViewSchema InputSchema => schema.Input;

    public DataViewSchema OutputSchema => schema.Output;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        schema.Dependencies(dependingColumns);

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.Schema != schema.Input)
            throw new ArgumentException("The row's schema is not the one that this mapper was made for.", nameof(input));
        return new LibraryRow(input, schema, library, activeColumns);
    }

    /// <summary>A row whose prediction is computed when first asked for, and again when its values or the library's adapters have changed.</summary>
    private sealed class LibraryRow : DataViewRow
    {
        private readonly DataViewRow _input;
        private readonly LibrarySchema _schema;
        private readonly AdapterLibrary _library;
        private readonly HashSet<int> _active;
        private readonly Func<AdapterRequest>? _read;
        private AdapterRequest _row;
        private object? _version;
        private AdapterPrediction? _prediction;

        public LibraryRow(DataViewRow input, LibrarySchema schema, AdapterLibrary library, IEnumerable<DataViewSchema.Column> active)
        {
            (_input, _schema, _library) = (input, schema, library);
            _active = [.. active.Select(c => c.Index)];
            _read = _active.Any(schema.IsPrediction) ? schema.Reader(input) : null;
        }

        public override DataViewSchema Schema => _schema.Output;

        public override long Position => _input.Position;

        public override long Batch => _input.Batch;

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column))
                throw new InvalidOperationException($"The column '{column.Name}' was not asked for when the row was made.");
            return _schema.IsPrediction(column.Index)
                ? _schema.Getter<TValue>(column, Prediction)
                : _input.GetGetter<TValue>(_schema.Input[column.Index]);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _input.Dispose();
            base.Dispose(disposing);
        }

        private AdapterPrediction Prediction()
        {
            var (row, version) = (_read!(), _library.Version);
            if (_prediction is null || row != _row || !ReferenceEquals(version, _version))
            {
                _prediction = _library.Score([row], Math.Max(_input.Position, 0))[0];
                (_row, _version) = (row, version);
            }
            return _prediction;
        }
    }
}
