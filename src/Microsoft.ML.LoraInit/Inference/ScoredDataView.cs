namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A view's rows with computed columns after them, computed while they are read.</summary>
internal sealed class ScoredDataView<TRow, TResult>(IDataView source, RowSchema<TRow, TResult> schema, IWindowScorer<TRow, TResult> scorer) : IDataView
{
    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => schema.Output;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var input = source.GetRowCursor(schema.Dependencies(needed), rand);
        return needed.Any(c => schema.IsComputed(c.Index))
            ? new ScoringCursor<TRow, TResult>(input, schema, scorer, needed)
            : new PassThroughCursor<TRow, TResult>(input, schema);
    }

    /// <summary>One cursor: batches use all cores already.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
