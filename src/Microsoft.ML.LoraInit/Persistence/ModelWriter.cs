using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Writes a model in <see cref="ModelFormat"/>.</summary>
internal static class ModelWriter
{
    /// <summary>More than the names, types and shapes of any model's tensors take.</summary>
    private const long HeaderRoom = 1 << 20;

    /// <param name="stream">Seekable; written from its position on.</param>
    /// <param name="model">The model.</param>
    /// <param name="mode">Whether the base goes with it.</param>
    /// <param name="most">The most bytes of a part.</param>
    /// <exception cref="InvalidDataException">The base is to be stored, and is no longer the one that the model was trained on.</exception>
    /// <exception cref="InvalidOperationException">A part would be larger than a reader takes; nothing was written.</exception>
    public static void Write(Stream stream, FineTunedModel model, ModelSaveMode mode, long most = ModelFormat.MostOfPart)
    {
        Check("What training changed", model.State.Tensors, most, "Keep it as a folder: SaveMergedModel.");
        using var scope = NewDisposeScope();
        using var files = mode == ModelSaveMode.SelfContained ? Base(model) : null;
        using var weights = files?.LoadWeights(CPU, ScalarType.Float32);
        var narrow = weights?.Tensors.Select(t => KeyValuePair.Create(t.Key, Narrowest(t.Value))).ToList() ?? [];
        Check($"The base '{model.Checkpoint.Id}'", narrow, most, $"Save with SaveMode = {nameof(ModelSaveMode.AdapterOnly)} and keep the base where the model is loaded, or keep the model as a folder: SaveMergedModel.");

        var parts = new PartWriter(stream);
        parts.Part(ModelFormat.Tensors, s => SafetensorsWriter.Write(s, model.State.Tensors));
        if (files is not null)
        {
            parts.Part(CheckpointNames.Config, s => s.Write(Encoding.UTF8.GetBytes(files.ConfigJson)));
            foreach (var name in files.VocabularyNames)
                parts.Part(name, s => Copy(files.OpenVocabulary(name), s));
            parts.Part(CheckpointNames.Weights, s => SafetensorsWriter.Write(s, narrow));
        }
        parts.Finish(ModelFormat.Magic, ModelFormat.VersionOf(model.State.Config.ModelType, model.ModelSettings.Tokenizer), ModelHeader.Of(model, mode, parts.Parts).ToBytes());
    }

    /// <summary>Whether a self-contained model can hold a base. Reads its weights only where their headers leave that open.</summary>
    /// <param name="files">The base.</param>
    /// <param name="most">The most bytes of a part.</param>
    public static bool Holds(CheckpointFiles files, long most = ModelFormat.MostOfPart)
    {
        // In 16 bits where the file has them, in 32 where its numbers need them.
        if (Fits(files.EncoderSizes.Sum(t => t.Elements * (t.Bits == 16 ? 2 : 4)), most))
            return true;
        if (!Fits(files.EncoderSizes.Sum(t => t.Elements * 2), most))
            return false;
        long bytes = 0;
        foreach (var (name, _, elements) in files.EncoderSizes)
        {
            using var scope = NewDisposeScope();
            bytes += elements * Narrowest(files.LoadTensors(n => n == name, CPU, ScalarType.Float32)[name]).ElementSize;
        }
        return Fits(bytes, most);
    }

    private static CheckpointFiles Base(FineTunedModel model)
    {
        var files = model.Checkpoint.Open(null, CancellationToken.None);
        if (files.Identity.Sha256 == model.State.Base.Sha256)
            return files;
        files.Dispose();
        throw new InvalidDataException($"The base model '{model.Checkpoint.Id}' has changed since the training: its weights' SHA-256 is {files.Identity.Sha256}, it was {model.State.Base.Sha256}. Restore it, or save with SaveMode = AdapterOnly.");
    }

    private static void Check(string what, IEnumerable<KeyValuePair<string, Tensor>> tensors, long most, string advice)
    {
        var bytes = tensors.Sum(t => t.Value.numel() * t.Value.ElementSize);
        if (!Fits(bytes, most))
            throw new InvalidOperationException($"{what} takes {bytes:N0} bytes, and a model file holds {most:N0} of it at most, its header included. {advice}");
    }

    private static bool Fits(long bytes, long most) => bytes <= most - Math.Min(HeaderRoom, most / 2);

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
