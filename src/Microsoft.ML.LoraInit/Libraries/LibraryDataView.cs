namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A view's rows with a library's columns after them, computed while they are read.</summary>
internal sealed class LibraryDataView(IDataView source, LibrarySchema schema, AdapterLibrary library) : IDataView
{
    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => schema.Output;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        return new LibraryCursor(source.GetRowCursor(schema.Dependencies(needed), rand), schema, library, needed);
    }

    /// <summary>One cursor: batches use all cores already.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
