using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Writes a model in <see cref="ModelFormat"/>.</summary>
internal static class ModelWriter
{
    /// <param name="stream">Seekable; written from its position on.</param>
    /// <param name="model">The model.</param>
    /// <param name="mode">Whether the base goes with it.</param>
    /// <exception cref="InvalidDataException">The base is to be stored, and is no longer the one that the model was trained on.</exception>
    public static void Write(Stream stream, FineTunedModel model, ModelSaveMode mode)
    {
        long start = stream.Position;
        var parts = new List<ModelPart>();
        stream.Write(new byte[ModelFormat.PrefixLength]);
        Part(ModelFormat.Tensors, s => SafetensorsWriter.Write(s, model.State.Tensors));
        if (mode == ModelSaveMode.SelfContained)
            WriteBase();

        long offset = stream.Position - start;
        var header = ModelHeader.Of(model, mode, parts).ToBytes();
        stream.Write(header);
        long end = stream.Position;
        stream.Position = start;
        stream.Write(Prefix(model.ModelSettings.Tokenizer is null ? ModelFormat.WithoutTokenizer : ModelFormat.Version, offset, header));
        stream.Position = end;

        void WriteBase()
        {
            using var files = model.Checkpoint.Open(null, CancellationToken.None);
            if (files.Identity.Sha256 != model.State.Base.Sha256)
                throw new InvalidDataException($"The base model '{model.Checkpoint.Id}' has changed since the training: its weights' SHA-256 is {files.Identity.Sha256}, it was {model.State.Base.Sha256}. Restore it, or save with SaveMode = AdapterOnly.");
            Part(CheckpointNames.Config, s => s.Write(Encoding.UTF8.GetBytes(files.ConfigJson)));
            Part(CheckpointNames.Vocabulary, s => Copy(files.OpenVocabulary(), s));
            Part(CheckpointNames.Merges, s => Copy(files.OpenMerges(), s));
            using var scope = NewDisposeScope();
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            Part(CheckpointNames.Weights, s => SafetensorsWriter.Write(s, weights.Tensors.Select(t => KeyValuePair.Create(t.Key, Narrowest(t.Value)))));
        }

        void Part(string name, Action<Stream> write)
        {
            long from = stream.Position;
            using var sha = SHA256.Create();
            using (var hashed = new CryptoStream(stream, sha, CryptoStreamMode.Write, leaveOpen: true))
                write(hashed);
            parts.Add(new(name, stream.Position - from, Convert.ToHexStringLower(sha.Hash!)));
        }
    }

    private static byte[] Prefix(int version, long headerOffset, byte[] header)
    {
        var prefix = new byte[ModelFormat.PrefixLength];
        ModelFormat.Magic.CopyTo(prefix);
        BinaryPrimitives.WriteInt32LittleEndian(prefix.AsSpan(8), version);
        BinaryPrimitives.WriteInt64LittleEndian(prefix.AsSpan(12), headerOffset);
        BinaryPrimitives.WriteInt32LittleEndian(prefix.AsSpan(20), header.Length);
        SHA256.HashData(header, prefix.AsSpan(24));
        return prefix;
    }

    private static void Copy(Stream from, Stream to)
    {
        using (from)
            from.CopyTo(to);
    }

    /// <summary>fp16 or bf16 where every number survives it, as in checkpoints that were stored so; else the tensor itself.</summary>
    private static Tensor Narrowest(Tensor value)
    {
        foreach (var type in new[] { ScalarType.Float16, ScalarType.BFloat16 })
        {
            var narrow = value.to(type);
            using var back = narrow.to(ScalarType.Float32);
            using var same = back.eq(value).all();
            if (same.ToBoolean())
                return narrow;
            narrow.Dispose();
        }
        return value;
    }
}
