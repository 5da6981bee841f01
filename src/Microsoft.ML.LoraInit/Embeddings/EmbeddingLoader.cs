using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Embeddings;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.Runtime;

// What ML.NET looks up when it meets our signature in a saved model: no registration call is needed, because the model
// also names this assembly.
[assembly: LoadableClass(typeof(RobertaEmbeddingTransformer), typeof(EmbeddingLoader), null, typeof(SignatureLoadModel),
    "RoBERTa sentence embeddings", MLNetModelContext.Embeddings)]

namespace Microsoft.ML.LoraInit.Embeddings;

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class EmbeddingLoader
{
    private static RobertaEmbeddingTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, MLNetModelContext.Embeddings, stream => RobertaEmbeddingTransformer.Load(environment, stream));
}
