using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Embeddings;

/// <summary>Makes the models that give vectors, all as trained models are: a base alone is one whose head nobody trained.</summary>
internal static class EmbeddingModels
{
    private const string Score = "Score";

    /// <summary>Of a base, with an adapter that PEFT saved or without.</summary>
    /// <param name="checkpoint">The base.</param>
    /// <param name="adapter">The adapter's folder, or null.</param>
    /// <param name="options">How.</param>
    /// <param name="device">Where to compute.</param>
    public static FineTunedModel Of(RobertaCheckpoint checkpoint, string? adapter, RobertaEmbeddingOptions options, Device device)
    {
        using var scope = NewDisposeScope();
        using var folder = adapter is null ? null : PeftFolder.Open(adapter);
        if (options.Pooling == SentencePooling.HeadInput && folder?.HasHead != true)
            throw new ArgumentException($"{nameof(options.Pooling)} = {options.Pooling} needs a trained head, which {(adapter is null ? $"the base '{checkpoint.Id}'" : $"the adapter '{adapter}'")} lacks: choose Mean or FirstToken, or give a trained model.");
        using var files = checkpoint.Open(null, CancellationToken.None);
        int length = Length(options, files.Config, files.Config.MaxLength);
        var tokenizer = adapter is null ? files.OpenTokenizer() : files.OpenTokenizerOf(adapter);
        var state = folder is null ? Untrained(files) : Adapted(folder.Read(files.Config), files);
        try
        {
            var settings = new FineTunedModel.Settings(
                new RegressionColumns(Score), new TextColumns(options.TextColumnName, null), length, options.Precision, options.SaveMode ?? SaveModes.Default(checkpoint), tokenizer.Rule);
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            return FineTunedModel.Create(settings, state, History, checkpoint, tokenizer, weights, device, options.Pooling);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>Of a trained model, which stays the caller's.</summary>
    public static FineTunedModel Of(FineTunedModel model, RobertaEmbeddingOptions options, Device device)
    {
        using var files = model.OpenBase();
        var settings = model.ModelSettings with
        {
            MaxLength = Length(options, files.Config, model.ModelSettings.MaxLength),
            Precision = options.Precision,
            SaveMode = options.SaveMode ?? model.ModelSettings.SaveMode,
            LongText = LongText.Truncate, // what a model makes of long texts is about its scores
        };
        using var scope = NewDisposeScope();
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var state = model.State.Copy();
        try
        {
            return FineTunedModel.Create(settings, state, model.History, model.Checkpoint, files.OpenTokenizer(settings.Tokenizer), weights, device, options.Pooling);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    // Nothing was trained.
    private static TrainingHistory History => new() { MetricName = "none" };

    private static int Length(RobertaEmbeddingOptions options, RobertaConfig config, int otherwise) => options.MaxLength > config.MaxLength
        ? throw new ArgumentException($"{nameof(options.MaxLength)} = {options.MaxLength} is more than the {config.MaxLength} tokens that the model takes: use less, or null for its maximum.")
        : options.MaxLength ?? otherwise;

    private static FineTunedState Untrained(CheckpointFiles files) => new(
        files.Identity, files.Config, 1, new FineTunedDescription { Method = FineTuningMethod.HeadOnly(), Adapters = [] }, Head(files.Config));

    private static FineTunedState Adapted(PeftWeights weights, CheckpointFiles files) =>
        (weights with { Head = weights.Head is null ? Head(files.Config) : weights.Head.ToDictionary(h => h.Key, h => OneOutput(h.Key, h.Value), StringComparer.Ordinal) })
        .ToState(files.Identity, files.Config);

    // The projection plays no part: one of its rows is kept so that the state is a model's.
    private static Tensor OneOutput(string name, Tensor value) => name.StartsWith(RobertaNames.HeadProjection, StringComparison.Ordinal) ? value.narrow(0, 0, 1) : value;

    private static Dictionary<string, Tensor> Head(RobertaConfig config) =>
        ClassificationHead.Layout(config, 1).ToDictionary(l => l.Name, l => zeros(l.Shape), StringComparer.Ordinal);
}
