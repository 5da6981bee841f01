using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
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
        var parts = new PartWriter(stream);
        parts.Part(ModelFormat.Tensors, s => SafetensorsWriter.Write(s, model.State.Tensors));
        if (mode == ModelSaveMode.SelfContained)
            WriteBase();
        parts.Finish(ModelFormat.Magic, ModelFormat.VersionOf(model.State.Config.ModelType, model.ModelSettings.Tokenizer), ModelHeader.Of(model, mode, parts.Parts).ToBytes());

        void WriteBase()
        {
            using var files = model.Checkpoint.Open(null, CancellationToken.None);
            if (files.Identity.Sha256 != model.State.Base.Sha256)
                throw new InvalidDataException($"The base model '{model.Checkpoint.Id}' has changed since the training: its weights' SHA-256 is {files.Identity.Sha256}, it was {model.State.Base.Sha256}. Restore it, or save with SaveMode = AdapterOnly.");
            parts.Part(CheckpointNames.Config, s => s.Write(Encoding.UTF8.GetBytes(files.ConfigJson)));
            foreach (var name in files.VocabularyNames)
                parts.Part(name, s => Copy(files.OpenVocabulary(name), s));
            using var scope = NewDisposeScope();
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            parts.Part(CheckpointNames.Weights, s => SafetensorsWriter.Write(s, weights.Tensors.Select(t => KeyValuePair.Create(t.Key, Narrowest(t.Value)))));
        }
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
            if (same.item<bool>())
                return narrow;
            narrow.Dispose();
        }
        return value;
    }
}
