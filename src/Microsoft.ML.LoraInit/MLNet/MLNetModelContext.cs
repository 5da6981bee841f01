using System.Reflection;

namespace Microsoft.ML.LoraInit.MLNet;

/// <summary>Puts a transformer's stream into a model that ML.NET saves, and takes it out again.</summary>
internal static class MLNetModelContext
{
    internal const string LoaderSignature = "LoraTextTransformer";
    internal const string LibrarySignature = "LoraAdapterLibrary";

    internal const string TokenIds = "RobertaTokenIds";
    internal const string Embeddings = "RobertaEmbeddings";

    // Of Microsoft.ML.LoraInit.OnnxRuntime.
    internal const string OnnxText = "LoraOnnxText";

    private const string StreamName = "LoraModel.bin";

    // The version here stays: our own header has one, with better messages (Persistence/ModelFormat). The assembly is named
    // without its version, so that any version of the library is asked.
    private static VersionInfo Version(string signature, Assembly? assembly = null) => new(Model(signature), 0x00010001, 0x00010001, 0x00010001,
        (assembly ?? typeof(MLNetModelContext).Assembly).GetName().Name, signature, null);

    private static string Model(string signature) => signature switch
    {
        TokenIds => "TOKENIDS",
        Embeddings => "LORAEMBD",
        OnnxText => "LORAONNX",
        _ => "LORATEXT",
    };

    public static void Save(ModelSaveContext context, Action<Stream> write) => Save(context, LoaderSignature, write);

    /// <param name="context">Where to save.</param>
    /// <param name="signature">The loader's name.</param>
    /// <param name="write">Writes the transformer.</param>
    /// <param name="assembly">The loader's; null for this one.</param>
    public static void Save(ModelSaveContext context, string signature, Action<Stream> write, Assembly? assembly = null)
    {
        context.CheckAtModel();
        context.SetVersionInfo(Version(signature, assembly));
        context.SaveBinaryStream(StreamName, writer =>
        {
            writer.Flush();
            write(writer.BaseStream);
        });
    }

    /// <exception cref="InvalidDataException">The stream is not in the model.</exception>
    public static T Load<T>(ModelLoadContext context, string signature, Func<Stream, T> read)
        where T : class
    {
        context.CheckAtModel(Version(signature));
        T? result = null;
        if (!context.TryLoadBinaryStream(StreamName, reader => result = read(reader.BaseStream)))
            throw new InvalidDataException($"The model file is damaged: the part '{StreamName}' of '{signature}' is missing. Save the model again.");
        return result!;
    }
}
