using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.Runtime;

// What ML.NET looks up when it meets our signature in a saved model: no registration call is needed, because the model
// also names this assembly.
[assembly: LoadableClass(typeof(LoraTextTransformer), typeof(TextTransformerLoader), null, typeof(SignatureLoadModel),
    "LoRA text transformer", MLNetModelContext.LoaderSignature)]

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class TextTransformerLoader
{
    private static LoraTextTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, MLNetModelContext.LoaderSignature, stream => LoraTextTransformer.Load(environment, stream));
}
