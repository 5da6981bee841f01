using Microsoft.ML.LoraInit.MLNet;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A view's rows with computed columns after them, computed while they are read.</summary>
internal sealed class ScoredDataView<TRow, TResult>(IDataView source, RowSchema<TRow, TResult> schema, IWindowScorer<TRow, TResult> scorer) : MLNetOnnxObstacle(source, OnnxObstacle)
{
    private const string OnnxObstacle =
        "ML.NET's ConvertToOnnx cannot write a fine-tuned text model: it has no ONNX operation for the tokenizer, and would leave the model out. "
        + "Call model.Lora().SaveOnnxModel(path), which writes the model from token ids to probabilities (docs/onnx.md).";

    public override bool CanShuffle => Source.CanShuffle;

    public override DataViewSchema Schema => schema.Output;

    public override long? GetRowCount() => Source.GetRowCount();

    public override DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var input = Source.GetRowCursor(schema.Dependencies(needed), rand);
        return needed.Any(c => schema.IsComputed(c.Index))
            ? new ScoringCursor<TRow, TResult>(input, schema, scorer, needed)
            : new PassThroughCursor<TRow, TResult>(input, schema);
    }

    /// <summary>One cursor: batches use all cores already.</summary>
    public override DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
