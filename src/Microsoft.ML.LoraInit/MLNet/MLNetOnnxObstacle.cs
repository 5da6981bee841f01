using Microsoft.ML.Model.OnnxConverter;

namespace Microsoft.ML.LoraInit.MLNet;

/// <summary>
/// A view that stops <c>mlContext.Model.ConvertToOnnx</c> with a reason. ML.NET walks back from the last view for as long as it meets
/// transforms, and begins its graph where it meets none: it would write what stands behind this view, and leave the rest out in silence.
/// </summary>
/// <param name="source">The view before.</param>
/// <param name="reason">What to do instead.</param>
internal abstract class MLNetOnnxObstacle(IDataView source, string reason) : ITransformCanSaveOnnx
{
    /// <summary>The view before.</summary>
    public IDataView Source { get; } = source;

    public abstract bool CanShuffle { get; }

    public abstract DataViewSchema Schema { get; }

    /// <exception cref="NotSupportedException">Always.</exception>
    bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx) => throw new NotSupportedException(reason);

    /// <exception cref="NotSupportedException">Always.</exception>
    void ISaveAsOnnx.SaveAsOnnx(OnnxContext ctx) => throw new NotSupportedException(reason);

    /// <summary>A view is not saved; the model that made it is.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    void ICanSaveModel.Save(ModelSaveContext ctx) => throw new NotSupportedException("Scored rows are no model: save the model that scored them.");

    public abstract long? GetRowCount();

    public abstract DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null);

    public abstract DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null);
}
