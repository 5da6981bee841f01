namespace Microsoft.ML.LoraInit.MLNet;

/// <summary>Puts a transformer's stream into a model that ML.NET saves, and takes it out again.</summary>
internal static class MLNetModelContext
{
    internal const string LoaderSignature = "LoraTextTransformer";
    internal const string LibrarySignature = "LoraAdapterLibrary";

    internal const string TokenIds = "RobertaTokenIds";

    private const string StreamName = "LoraModel.bin";

    // The version here stays: our own header has one, with better messages (Persistence/ModelFormat). The assembly is named
    // without its version, so that any version of the library is asked.
    private static VersionInfo Version(string signature) => new(signature == TokenIds ? "TOKENIDS" : "LORATEXT", 0x00010001, 0x00010001, 0x00010001,
        typeof(MLNetModelContext).Assembly.GetName().Name, signature, null);

    public static void Save(ModelSaveContext context, Action<Stream> write) => Save(context, LoaderSignature, write);

    public static void Save(ModelSaveContext context, string signature, Action<Stream> write)
    {
        context.CheckAtModel();
        context.SetVersionInfo(Version(signature));
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
