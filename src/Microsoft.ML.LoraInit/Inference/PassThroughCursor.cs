using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>The source's rows under the scored schema, where no score is asked for: nothing is computed.</summary>
internal sealed class PassThroughCursor<TRow, TResult>(DataViewRowCursor input, RowSchema<TRow, TResult> schema) : DataViewRowCursor
{
    public override DataViewSchema Schema => schema.Output;

    public override long Position => input.Position;

    public override long Batch => input.Batch;

    public override bool MoveNext() => input.MoveNext();

    public override bool IsColumnActive(DataViewSchema.Column column) =>
        !schema.IsComputed(column.Index) && input.IsColumnActive(schema.Input[column.Index]);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => IsColumnActive(column)
        ? input.GetGetter<TValue>(schema.Input[column.Index])
        : throw new InvalidOperationException($"The column '{column.Name}' was not asked for when the cursor was made.");

    public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            input.Dispose();
        base.Dispose(disposing);
    }
}
