using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Scores one row at a time: what a <c>PredictionEngine</c> uses.</summary>
internal sealed class ScoringRowMapper(ScoringSchema schema, ITextScorer scorer) : IRowToRowMapper
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

    /// <summary>A row whose logits are computed when first asked for, and again when its texts have changed.</summary>
    private sealed class ScoringRow : DataViewRow
    {
        private readonly DataViewRow _input;
        private readonly ScoringSchema _schema;
        private readonly ITextScorer _scorer;
        private readonly HashSet<int> _active;
        private readonly Func<TextPair>? _readTexts;
        private TextPair _texts;
        private float[]? _logits;

        public ScoringRow(DataViewRow input, ScoringSchema schema, ITextScorer scorer, IEnumerable<DataViewSchema.Column> active)
        {
            _input = input;
            _schema = schema;
            _scorer = scorer;
            _active = [.. active.Select(c => c.Index)];
            _readTexts = _active.Any(schema.IsScore) ? schema.TextReader(input) : null;
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
            if (!_schema.IsScore(column.Index))
                return _input.GetGetter<TValue>(_schema.Input[column.Index]);
            return _schema.Scores.Getter(_schema.ScoreIndex(column.Index), Logits) as ValueGetter<TValue>
                ?? throw new InvalidOperationException($"The column '{column.Name}' has the type {column.Type}, which {typeof(TValue)} does not hold.");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _input.Dispose();
            base.Dispose(disposing);
        }

        private float[] Logits()
        {
            var texts = _readTexts!();
            if (_logits is null || texts != _texts)
            {
                _logits = _scorer.ScoreOne(texts);
                _texts = texts;
            }
            return _logits;
        }
    }
}
