using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Embeddings;
using Microsoft.ML.LoraInit.MLNet;
using static Microsoft.ML.TransformsCatalog;

namespace Microsoft.ML;

/// <summary>Sentence embeddings in the catalog of an <see cref="MLContext"/>.</summary>
public static class EmbeddingCatalogExtensions
{
    /// <summary>Makes vectors of texts by a base model, with an adapter that Python's PEFT saved or without one.</summary>
    /// <remarks>
    /// The vectors are for ML.NET's trainers (k-means, SDCA, …) and for comparing texts. A base that was trained for it (multilingual-e5,
    /// bge-m3) gives better ones than a base that was not.
    /// </remarks>
    /// <param name="catalog"><c>mlContext.Transforms.Text</c>.</param>
    /// <param name="baseModel">The base.</param>
    /// <param name="options">Columns, pooling and the rest; null for the defaults.</param>
    /// <param name="adapterFolder">An adapter over the base, as PEFT saves it; null (the default) for none.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static RobertaEmbeddingEstimator RobertaEmbeddings(
        this TextTransforms catalog, RobertaCheckpoint baseModel, RobertaEmbeddingOptions? options = null, string? adapterFolder = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(baseModel);
        var checkedOptions = Checked(options);
        return new(MLNetEnvironment.Of(catalog), checkedOptions, device => EmbeddingModels.Of(baseModel, adapterFolder, checkedOptions, device));
    }

    /// <summary>Makes vectors of texts by a trained model.</summary>
    /// <param name="catalog"><c>mlContext.Transforms.Text</c>.</param>
    /// <param name="model">The model, which stays the caller's and must not be disposed before the estimator is fitted.</param>
    /// <param name="options">Columns, pooling and the rest; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static RobertaEmbeddingEstimator RobertaEmbeddings(this TextTransforms catalog, LoraTextTransformer model, RobertaEmbeddingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        var checkedOptions = Checked(options);
        return new(MLNetEnvironment.Of(catalog), checkedOptions, device => EmbeddingModels.Of(model.Model, checkedOptions, device));
    }

    private static RobertaEmbeddingOptions Checked(RobertaEmbeddingOptions? options)
    {
        options ??= new();
        options.Check();
        return options;
    }
}
