using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Embeddings;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.Runtime;
using static Microsoft.ML.SchemaShape.Column;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>The estimator of <see cref="RobertaEmbeddingTransformer"/>; it learns nothing from data, and loads the model when it is fitted.</summary>
public sealed class RobertaEmbeddingEstimator : IEstimator<RobertaEmbeddingTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly RobertaEmbeddingOptions _options;
    private readonly Func<Device, FineTunedModel> _load;

    internal RobertaEmbeddingEstimator(IHostEnvironment environment, RobertaEmbeddingOptions options, Func<Device, FineTunedModel> load) =>
        (_environment, _options, _load) = (environment, options, load);

    /// <summary>Checks the text column and loads the model.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The text column is missing or not text.</exception>
    /// <exception cref="ArgumentException">An option does not fit the model.</exception>
    /// <exception cref="InvalidDataException">A file of the model is damaged.</exception>
    public RobertaEmbeddingTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var columns = EmbeddingColumns.Of(_options);
        _ = new EmbeddingSchema(input.Schema, columns, 1); // before the model is loaded
        return new(_load(ComputeDevice.Resolve(_environment, _options.Device)), columns);
    }

    /// <summary>The column that the step adds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The text column is missing or not text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        if (inputSchema.FirstOrDefault(c => c.Name == _options.TextColumnName) is not { Name: not null, Kind: VectorKind.Scalar, ItemType: TextDataViewType })
            throw new ArgumentOutOfRangeException(null, $"The text column '{_options.TextColumnName}' is missing, or is not text.");
        return new SchemaShape(inputSchema.Where(c => c.Name != _options.OutputColumnName)
            .Append(MLNetSchema.Column(_options.OutputColumnName, NumberDataViewType.Single, VectorKind.Vector)));
    }
}
