using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.Runtime;

// What ML.NET looks up when it meets our signature in a saved model: no registration call is needed, because the model
// also names this assembly.
[assembly: LoadableClass(typeof(AdapterLibraryTransformer), typeof(AdapterLibraryLoader), null, typeof(SignatureLoadModel),
    "LoRA adapter library", MLNetModelContext.LibrarySignature)]

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class AdapterLibraryLoader
{
    private static AdapterLibraryTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, MLNetModelContext.LibrarySignature, stream => AdapterLibraryTransformer.Load(environment, stream));
}
