using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using Microsoft.ML.Runtime;

// What ML.NET looks up when it meets our signature in a saved model: no registration call is needed, because the model
// also names this assembly.
[assembly: LoadableClass(typeof(RobertaTokenIdTransformer), typeof(TokenIdLoader), null, typeof(SignatureLoadModel),
    "RoBERTa token ids", MLNetModelContext.TokenIds)]

namespace Microsoft.ML.LoraInit.Onnx.TokenIds;

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class TokenIdLoader
{
    private static RobertaTokenIdTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, MLNetModelContext.TokenIds, RobertaTokenIdTransformer.Load);
}
