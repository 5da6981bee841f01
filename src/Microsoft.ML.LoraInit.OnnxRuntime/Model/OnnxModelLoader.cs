using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Onnx;
using Microsoft.ML.Runtime;

[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]

// As in Microsoft.ML.LoraInit's MLNet folder: a saved model names this assembly, and ML.NET looks its signature up here.
[assembly: LoadableClass(typeof(OnnxTextTransformer), typeof(OnnxModelLoader), null, typeof(SignatureLoadModel),
    "LoRA text transformer for ONNX Runtime", MLNetModelContext.OnnxText)]

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class OnnxModelLoader
{
    private static OnnxTextTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, MLNetModelContext.OnnxText, stream => new OnnxTextTransformer(OnnxModelFormat.Read(stream)));
}
