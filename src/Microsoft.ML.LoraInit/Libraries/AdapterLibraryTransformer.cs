using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A pipeline step that reads each row by the adapter that the row names, rows of different adapters batched together.
/// <see cref="AdapterLibrary.CreateTransformer"/> makes one.
/// </summary>
/// <remarks>
/// Adapters of differing kinds write the same columns: see <see cref="AdapterLibraryColumns"/>. A row whose adapter is unknown
/// ends the reading with an <see cref="ArgumentException"/> that names the row, the value and the adapters that there are.
/// <c>mlContext.Model.Save</c> stores all adapters and the base's id and hash, up to 2 GB, beyond which it refuses
/// (<see cref="AdapterLibrary.Save"/> has no such limit); what is loaded again owns its library.
/// </remarks>
public sealed class AdapterLibraryTransformer : ITransformer, IDisposable
{
    private readonly AdapterLibraryColumns _columns;
    private readonly bool _ownsLibrary;

    internal AdapterLibraryTransformer(AdapterLibrary library, AdapterLibraryColumns columns, bool ownsLibrary)
    {
        Library = library;
        _columns = columns;
        _ownsLibrary = ownsLibrary;
    }

    /// <summary>The library that scores: adapters may be added, replaced and removed while the step is in use.</summary>
    public AdapterLibrary Library { get; }

    /// <summary>Always true: rows are scored independently of each other.</summary>
    bool ITransformer.IsRowToRowMapper => true;

    /// <summary>The input's columns and the library's after them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A text or adapter column is missing or not text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Schema(inputSchema).Output;

    /// <summary>The rows with their predictions, which are computed when they are read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A text or adapter column is missing or not text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new ScoredDataView<AdapterRequest, AdapterPrediction>(input, Schema(input.Schema), new LibraryScorer(Library));
    }

    /// <summary>Scores single rows.</summary>
    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) =>
        new ScoringRowMapper<AdapterRequest, AdapterPrediction>(Schema(inputSchema), new LibraryScorer(Library));

    /// <summary>Called by <c>mlContext.Model.Save</c>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx) =>
        MLNetModelContext.Save(ctx, MLNetModelContext.LibrarySignature, stream => LibraryArchive.Write(stream, Library, _columns));

    /// <summary>Disposes the library where the step was loaded with it; a step of <see cref="AdapterLibrary.CreateTransformer"/> leaves it alone.</summary>
    public void Dispose()
    {
        if (_ownsLibrary)
            Library.Dispose();
    }

    /// <summary>Reads what <c>Save</c> wrote.</summary>
    internal static AdapterLibraryTransformer Load(IHostEnvironment environment, Stream stream)
    {
        var (library, columns) = LibraryArchive.Read(stream, new() { Device = ComputeDevice.Resolve(environment, null) });
        return new(library, columns, ownsLibrary: true);
    }

    private LibrarySchema Schema(DataViewSchema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new(input, _columns);
    }
}
