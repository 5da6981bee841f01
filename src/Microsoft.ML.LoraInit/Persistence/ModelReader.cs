using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Reads what <see cref="ModelWriter"/> wrote, and refuses what is damaged, altered or newer.</summary>
internal static class ModelReader
{
    /// <param name="stream">Seekable, at the model's start; the model goes up to its end.</param>
    /// <param name="device">Where to score.</param>
    /// <exception cref="InvalidDataException">The file is damaged or newer than this library, or its base is missing or another one.</exception>
    public static FineTunedModel Read(Stream stream, Device device)
    {
        var (header, parts) = ReadParts(stream);
        try
        {
            var checkpoint = header.Mode == ModelSaveMode.SelfContained ? Stored(header, parts) : header.Base.Checkpoint();
            using var files = BaseResolver.Open(checkpoint, header);
            using var vocabulary = files.OpenVocabulary();
            using var merges = files.OpenMerges();
            var tokenizer = RobertaTokenizer.Create(vocabulary, merges, files.Config);
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            return Build(header, parts, checkpoint, tokenizer, weights, device);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"The model file is damaged: {e.Message}", e);
        }
    }

    private static FineTunedModel Build(
        ModelHeader header, Dictionary<string, byte[]> parts, RobertaCheckpoint checkpoint, RobertaTokenizer tokenizer, BaseWeights weights, Device device)
    {
        var state = State(header, Part(parts, ModelFormat.Tensors));
        try
        {
            var settings = header.Settings();
            if (settings.Scores.Task.OutputCount != header.Outputs)
                throw new InvalidDataException($"The model file is damaged: {header.Outputs} outputs for {settings.Scores.Task.OutputCount} scores.");
            settings.Check(header.Config);
            var history = TrainingHistory.FromJson(header.History.ToJsonString());
            return FineTunedModel.Create(settings, state, history, checkpoint, tokenizer, weights, device);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    private static FineTunedState State(ModelHeader header, byte[] tensors)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(new MemoryStream(tensors, writable: false), ModelFormat.Tensors);
        return new(new BaseIdentity(header.Base.Id, header.Base.Sha256), header.Config, header.Outputs, header.FineTuning,
            file.Names.ToDictionary(n => n, n => file.Read(n, ScalarType.Float32), StringComparer.Ordinal));
    }

    private static StoredCheckpoint Stored(ModelHeader header, Dictionary<string, byte[]> parts) => new(
        header.Base,
        UntrustedFile.Text(Part(parts, CheckpointNames.Config), "The model file's config.json"),
        new Dictionary<string, byte[]>(StringComparer.Ordinal)
        {
            [CheckpointNames.Vocabulary] = Part(parts, CheckpointNames.Vocabulary),
            [CheckpointNames.Merges] = Part(parts, CheckpointNames.Merges),
        },
        Part(parts, CheckpointNames.Weights));

    private static byte[] Part(Dictionary<string, byte[]> parts, string name) =>
        parts.TryGetValue(name, out var part) ? part : throw Damaged($"the part '{name}' is missing");

    private static (ModelHeader Header, Dictionary<string, byte[]> Parts) ReadParts(Stream stream)
    {
        long start = stream.Position;
        var prefix = Take(stream, ModelFormat.PrefixLength, "its beginning");
        if (!prefix.AsSpan(0, ModelFormat.Magic.Length).SequenceEqual(ModelFormat.Magic))
            throw Damaged("it does not begin as a LoRA text model");
        var version = BinaryPrimitives.ReadInt32LittleEndian(prefix.AsSpan(8));
        if (version > ModelFormat.Version)
            throw new InvalidDataException($"The model was saved by a newer version of Microsoft.ML.LoraInit: its format is {version}, this library reads up to {ModelFormat.Version}. Update the package.");
        if (version < 1)
            throw Damaged($"it has the format version {version}");

        var offset = BinaryPrimitives.ReadInt64LittleEndian(prefix.AsSpan(12));
        var length = BinaryPrimitives.ReadInt32LittleEndian(prefix.AsSpan(20));
        if (offset < ModelFormat.PrefixLength || length is < 2 or > ModelFormat.MaxHeaderLength || offset > stream.Length - start - length)
            throw Damaged("it is cut off, or its beginning was changed");
        stream.Position = start + offset;
        var json = Take(stream, length, "its header");
        if (!SHA256.HashData(json).AsSpan().SequenceEqual(prefix.AsSpan(24, SHA256.HashSizeInBytes)))
            throw Damaged("its header does not have the SHA-256 that it should have");
        var header = ModelHeader.Parse(json);
        Check(header);
        if (header.Parts.Sum(p => p.Length) != offset - ModelFormat.PrefixLength || start + offset + length != stream.Length)
            throw Damaged("its parts do not fill it");

        stream.Position = start + ModelFormat.PrefixLength;
        var parts = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var part in header.Parts)
        {
            var bytes = Take(stream, (int)part.Length, $"the part '{part.Name}'");
            if (Convert.ToHexStringLower(SHA256.HashData(bytes)) != part.Sha256)
                throw Damaged($"the part '{part.Name}' does not have the SHA-256 that it should have");
            parts.Add(part.Name, bytes);
        }
        return (header, parts);
    }

    // Before anything is read: what nobody asks for may be as large as it likes.
    private static void Check(ModelHeader header)
    {
        var known = ModelFormat.Parts(header.Mode);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var part in header.Parts)
        {
            if (!known.TryGetValue(part.Name, out var limit))
                throw Damaged($"it has the part '{part.Name}', which a model of the format {ModelFormat.Version} saved as {header.Mode} does not have");
            if (part.Length < 0 || part.Length > limit)
                throw Damaged($"its part '{part.Name}' is said to have {part.Length:N0} bytes, and may have {limit:N0}");
            if (!seen.Add(part.Name))
                throw Damaged($"it has two parts '{part.Name}'");
        }
    }

    private static byte[] Take(Stream stream, int length, string what)
    {
        if (length > stream.Length - stream.Position)
            throw Damaged($"it is cut off within {what}");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static InvalidDataException Damaged(string how) => new($"The model file is damaged: {how}. Get or save the model again.");
}
