using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.Runtime;

// What ML.NET looks up when it meets our signature in a saved model: no registration call is needed, because the model
// also names this assembly.
[assembly: LoadableClass(typeof(LoraTextTransformer), typeof(MLNetModelLoader), null, typeof(SignatureLoadModel),
    "LoRA text transformer", MLNetModelContext.LoaderSignature)]
[assembly: LoadableClass(typeof(AdapterLibraryTransformer), typeof(AdapterLibraryLoader), null, typeof(SignatureLoadModel),
    "LoRA adapter library", MLNetModelContext.LibrarySignature)]

namespace Microsoft.ML.LoraInit.MLNet;

/// <summary>Puts a transformer's stream into a model that ML.NET saves, and takes it out again.</summary>
internal static class MLNetModelContext
{
    internal const string LoaderSignature = "LoraTextTransformer";
    internal const string LibrarySignature = "LoraAdapterLibrary";

    private const string StreamName = "LoraModel.bin";

    // The version here stays: our own header has one, with better messages (Persistence/ModelFormat). The assembly is named
    // without its version, so that any version of the library is asked.
    private static VersionInfo Version(string loaderSignature) => new("LORATEXT", 0x00010001, 0x00010001, 0x00010001,
        typeof(MLNetModelContext).Assembly.GetName().Name, loaderSignature, null);

    public static void Save(ModelSaveContext context, Action<Stream> write, string loaderSignature = LoaderSignature)
    {
        context.CheckAtModel();
        context.SetVersionInfo(Version(loaderSignature));
        context.SaveBinaryStream(StreamName, writer =>
        {
            writer.Flush();
            write(writer.BaseStream);
        });
    }

    /// <exception cref="InvalidDataException">The stream is not in the model.</exception>
    public static T Load<T>(ModelLoadContext context, Func<Stream, T> read, string loaderSignature = LoaderSignature)
        where T : class
    {
        context.CheckAtModel(Version(loaderSignature));
        T? result = null;
        if (!context.TryLoadBinaryStream(StreamName, reader => result = read(reader.BaseStream)))
            throw new InvalidDataException($"The model file is damaged: the part '{StreamName}' of a LoRA text transformer is missing. Save the model again.");
        return result!;
    }
}

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class MLNetModelLoader
{
    private static LoraTextTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, stream => LoraTextTransformer.Load(environment, stream));
}

/// <summary>Found by ML.NET through the attribute above.</summary>
internal static class AdapterLibraryLoader
{
    private static AdapterLibraryTransformer Create(IHostEnvironment environment, ModelLoadContext context) =>
        MLNetModelContext.Load(context, stream => AdapterLibraryTransformer.Load(environment, stream), MLNetModelContext.LibrarySignature);
}
