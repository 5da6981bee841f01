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
    /// <param name="pooling">What its scorer gives: vectors made so, or logits where it is null.</param>
    /// <exception cref="InvalidDataException">The file is damaged or newer than this library, or its base is missing or another one.</exception>
    public static FineTunedModel Read(Stream stream, Device device, SentencePooling? pooling = null)
    {
        var (header, parts) = PartReader.Read(stream, ModelFormat.Magic, ModelFormat.Version, "a LoRA text model", ModelHeader.Parse, h => h.Parts, h => ModelFormat.Parts(h.Mode));
        try
        {
            var checkpoint = header.Mode == ModelSaveMode.SelfContained ? Stored(header, parts) : header.Base.Checkpoint();
            using var files = BaseResolver.Open(checkpoint, header);
            var tokenizer = files.OpenTokenizer(header.Tokenizer);
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            return Build(header, parts, checkpoint, tokenizer, weights, device, pooling);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"The model file is damaged: {e.Message}", e);
        }
    }

    private static FineTunedModel Build(
        ModelHeader header, Dictionary<string, byte[]> parts, RobertaCheckpoint checkpoint, SubwordTokenizer tokenizer, BaseWeights weights, Device device,
        SentencePooling? pooling)
    {
        var state = State(header, PartReader.Part(parts, ModelFormat.Tensors));
        try
        {
            var settings = header.Settings();
            if (settings.Scores.Task.OutputCount != header.Outputs)
                throw new InvalidDataException($"The model file is damaged: {header.Outputs} outputs for {settings.Scores.Task.OutputCount} scores.");
            settings.Check(header.Config);
            var history = TrainingHistory.FromJson(header.History.ToJsonString());
            return FineTunedModel.Create(settings, state, history, checkpoint, tokenizer, weights, device, pooling);
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
        var description = DescriptionJson.Read(header.FineTuning);
        using var file = SafetensorsFile.Open(new MemoryStream(tensors, writable: false), ModelFormat.Tensors);
        return new(new BaseIdentity(header.Base.Id, header.Base.Sha256), header.Config, header.Outputs, description,
            file.Names.ToDictionary(n => n, n => file.Read(n, ScalarType.Float32), StringComparer.Ordinal), header.FineTuning.ToJsonString());
    }

    private static StoredCheckpoint Stored(ModelHeader header, Dictionary<string, byte[]> parts) => new(
        header.Base,
        UntrustedFile.Text(PartReader.Part(parts, CheckpointNames.Config), "The model file's config.json"),
        VocabularyFiles.Names(header.Config.ModelType).ToDictionary(name => name, name => PartReader.Part(parts, name), StringComparer.Ordinal),
        PartReader.Part(parts, CheckpointNames.Weights));
}
