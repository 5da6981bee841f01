
namespace Microsoft.ML.LoraInit;

/// <summary>Saving models so that a failure costs nothing: extension methods on <c>MLContext.Model</c>.</summary>
public static class ModelFileExtensions
{
    /// <summary>
    /// Saves a model to a file that appears whole or not at all. <c>Model.Save</c> empties an existing file before the model is asked for
    /// its content, so that a save that fails (a full disk, a model that was disposed) leaves half a file where a good one was; after
    /// this method the old file is as it was.
    /// </summary>
    /// <param name="catalog"><c>MLContext.Model</c>.</param>
    /// <param name="model">Any model, with steps of this library or without.</param>
    /// <param name="inputSchema">The schema of the rows that the model takes; may be null.</param>
    /// <param name="path">The file; its folder must exist.</param>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void SaveWhole(this ModelOperationsCatalog catalog, ITransformer model, DataViewSchema? inputSchema, string path)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        AtomicFile.Write(path, stream => catalog.Save(model, inputSchema, stream));
    }
}
