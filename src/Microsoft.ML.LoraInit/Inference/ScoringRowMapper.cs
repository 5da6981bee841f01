using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Scores one row at a time: what a <c>PredictionEngine</c> uses.</summary>
internal sealed class ScoringRowMapper<TRow, TResult>(RowSchema<TRow, TResult> schema, IWindowScorer<TRow, TResult> scorer) : IRowToRowMapper
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
        return new ScoringRow(input, schema, scorer, activeColumns);
    }

    /// <summary>A row whose result is computed when first asked for, and again when what it is scored by has changed.</summary>
    private sealed class ScoringRow : DataViewRow
    {
        private readonly DataViewRow _input;
        private readonly RowSchema<TRow, TResult> _schema;
        private readonly IWindowScorer<TRow, TResult> _scorer;
        private readonly HashSet<int> _active;
        private readonly Func<TRow>? _read;
        private (bool IsThere, TRow Row, object? Version, TResult Result) _last;

        public ScoringRow(DataViewRow input, RowSchema<TRow, TResult> schema, IWindowScorer<TRow, TResult> scorer, IEnumerable<DataViewSchema.Column> active)
        {
            _input = input;
            _schema = schema;
            _scorer = scorer;
            _active = [.. active.Select(c => c.Index)];
            _read = _active.Any(schema.IsComputed) ? schema.Reader(input) : null;
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
            return _schema.IsComputed(column.Index)
                ? _schema.Getter<TValue>(column, Result)
                : _input.GetGetter<TValue>(_schema.Input[column.Index]);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _input.Dispose();
            base.Dispose(disposing);
        }

        private TResult Result()
        {
            var (row, version) = (_read!(), _scorer.Version);
            if (!_last.IsThere || !EqualityComparer<TRow>.Default.Equals(row, _last.Row) || !ReferenceEquals(version, _last.Version))
                _last = (true, row, version, _scorer.ScoreOne(row, Math.Max(_input.Position, 0)));
            return _last.Result;
        }
    }
}
