using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Persistence;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Embeddings;

/// <summary>
/// A step's stream inside an <c>.mlnet</c> file: <c>LORAEMBD</c>, the format's version and the length of what follows (two little-endian
/// numbers of 32 bits), the columns as JSON, and a model as <see cref="ModelFormat"/> has it, up to the end.
/// </summary>
internal static class EmbeddingFormat
{
    public const int Version = 1;

    private const int MaxColumns = 1 << 20;

    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } });
    private static readonly JsonSource Source = new("The model file's embedding step", "Get or save the model again.");

    private static ReadOnlySpan<byte> Magic => "LORAEMBD"u8;

    /// <param name="stream">Seekable; written from its position on.</param>
    /// <param name="columns">The step's.</param>
    /// <param name="model">The step's.</param>
    /// <param name="mode">Whether the base goes with it.</param>
    public static void Write(Stream stream, EmbeddingColumns columns, FineTunedModel model, ModelSaveMode mode)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(columns, Json);
        var head = new byte[Magic.Length + 8];
        Magic.CopyTo(head);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(Magic.Length), Version);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(Magic.Length + 4), json.Length);
        stream.Write(head);
        stream.Write(json);
        ModelWriter.Write(stream, model, mode);
    }

    /// <param name="stream">Seekable, at the step's start; the step goes up to its end.</param>
    /// <param name="device">Where to compute.</param>
    /// <exception cref="InvalidDataException">The file is damaged or newer than this library, or its base is missing or another one.</exception>
    public static (EmbeddingColumns Columns, FineTunedModel Model) Read(Stream stream, Device device)
    {
        var head = new byte[Magic.Length + 8];
        if (stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length || !head.AsSpan().StartsWith(Magic))
            throw Source.Bad(null, "does not begin as an embedding step");
        int version = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(Magic.Length)), length = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(Magic.Length + 4));
        if (version > Version)
            throw new InvalidDataException($"The model was saved by a newer version of Microsoft.ML.LoraInit: its embedding step has the format {version}, this library reads up to {Version}. Update the package.");
        if (version < 1 || length is < 2 or > MaxColumns || length > stream.Length - stream.Position)
            throw Source.Bad(null, "is cut off, or its beginning was changed");
        var json = new byte[length];
        stream.ReadExactly(json);
        var columns = UntrustedJson.Guard(Source, UntrustedJson.Read<EmbeddingColumns>(json, Source, Json).Checked);
        return (columns, ModelReader.Read(stream, device, columns.Pooling));
    }
}
