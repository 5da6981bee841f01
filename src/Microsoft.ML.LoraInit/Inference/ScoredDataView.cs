namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A view's rows with a model's columns after them, computed while they are read.</summary>
internal sealed class ScoredDataView(IDataView source, ScoringSchema schema, ITextScorer scorer) : IDataView
{
    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => schema.Output;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var input = source.GetRowCursor(schema.Dependencies(needed), rand);
        return needed.Any(c => schema.IsScore(c.Index))
            ? new ScoringCursor(input, schema, scorer, needed)
            : new PassThroughCursor(input, schema);
    }

    /// <summary>One cursor: batches use all cores already.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
