using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Reads adapters that Python's PEFT saved for RoBERTa sequence classification: folders with <c>adapter_config.json</c> and
/// <c>adapter_model.safetensors</c>. To write such folders, see <see cref="LoraTextTransformerExport"/>; to train on from
/// one, see <see cref="LoraTrainerOptions.InitialAdapter"/>.
/// </summary>
/// <remarks>
/// Read are LoRA, rsLoRA and DoRA on any linear layers of the encoder, with rank and alpha patterns, chosen layers, names or
/// a regular expression as targets, in fp32, fp16 or bf16. Biases that were trained too (<c>bias</c>) are read. Refused by name are other kinds of adapters,
/// pickled weights (<c>adapter_model.bin</c>), adapters over a changed base (PiSSA, OLoRA and their kin saved without
/// conversion), and settings that this library does not know. A tokenizer that lies in the folder goes before the base's; it must
/// have the base's vocabulary.
/// </remarks>
public static class PeftAdapter
{
    private const int BinaryLogits = 2;

    /// <summary>A model that predicts: the base with the adapter merged, and the adapter's head.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="options">Base, task, labels and columns.</param>
    /// <returns>
    /// A <see cref="LoraTextClassificationTransformer"/>, <see cref="LoraBinaryTextClassificationTransformer"/> or
    /// <see cref="LoraTextRegressionTransformer"/>, by the task; it can be saved as any trained model, and holds native memory
    /// until disposed.
    /// </returns>
    /// <exception cref="ArgumentException">An option does not fit the adapter; the message names it.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file of the folder is missing.</exception>
    /// <exception cref="NotSupportedException">The adapter's weights are a pickle; the message says how to convert them.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's native libraries cannot be loaded; the message says what is missing.</exception>
    /// <exception cref="InvalidDataException">The adapter is damaged, has no head, does not fit the base, or has settings that are not supported; the message names the key.</exception>
    public static LoraTextTransformer Load(string folder, PeftAdapterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        NativeLibraries.Require();
        using var scope = NewDisposeScope();
        using var adapter = PeftFolder.Open(folder);
        if (!adapter.HasPartOfHead)
            _ = Scores(options, Outputs(adapter, options)); // before the base is opened
        var checkpoint = options.BaseModel ?? StoredBase(adapter);
        var device = options.Device ?? CPU;

        using var files = checkpoint.Open(options.Progress, options.CancellationToken);
        adapter.CompleteHead(files);
        var outputs = Outputs(adapter, options);
        var scores = Scores(options, outputs);
        if (options.MaxLength > files.Config.MaxLength)
            throw new ArgumentException($"MaxLength = {options.MaxLength} is more than the {files.Config.MaxLength} tokens of '{checkpoint.Id}': use less, or null for the model's maximum.", nameof(options));
        var tokenizer = files.OpenTokenizerOf(adapter.Path);
        tokenizer = tokenizer.With(tokenizer.Rule with { SpecialTokensAsText = options.SpecialTokensAsText });
        var read = adapter.Read(files.Config);
        var state = (outputs == scores.Task.OutputCount ? read : read.WithOneLogit()).ToState(files.Identity, files.Config);
        try
        {
            var settings = new FineTunedModel.Settings(
                scores, new TextColumns(options.TextColumnName, options.Text2ColumnName), options.MaxLength ?? files.Config.MaxLength,
                options.Precision, options.SaveMode ?? SaveModes.Default(checkpoint), tokenizer.Rule);
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            return LoraTextTransformer.Of(FineTunedModel.Create(settings, state, History(read, weights.Tensors.Values.Sum(t => t.numel()), scores), checkpoint, tokenizer, weights, device));
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>What an adapter folder says about itself; its base is not needed.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file of the folder is missing.</exception>
    /// <exception cref="NotSupportedException">The weights are a pickle.</exception>
    /// <exception cref="InvalidDataException">The adapter is damaged or has settings that are not supported; the message names the key.</exception>
    public static PeftAdapterInfo Inspect(string folder)
    {
        using var adapter = PeftFolder.Open(folder);
        return PeftAdapterInfo.Of(adapter);
    }

    /// <summary>Checks the head against task and labels.</summary>
    internal static int Outputs(PeftFolder adapter, PeftAdapterOptions options)
    {
        if (!Enum.IsDefined(options.Task))
            throw new ArgumentException($"Task = {options.Task} is out of range: choose Multiclass, Binary or Regression.", nameof(options));
        if (!adapter.HasHead)
            throw new InvalidDataException($"'{adapter.Path}' has no classification head (PEFT leaves it out where it converts PiSSA and its kin), so nothing can be predicted from it. Train a head with the trainers' option {nameof(LoraTrainerOptions.InitialAdapter)}.");
        var outputs = adapter.Outputs;
        var fits = options.Task switch
        {
            PeftTask.Multiclass => outputs >= 2,
            PeftTask.Binary => outputs is 1 or BinaryLogits,
            _ => outputs == 1,
        };
        if (!fits)
            throw new ArgumentException($"Task = {options.Task} does not fit the adapter, whose head has {outputs} outputs.", nameof(options));
        if (options.Labels is { } labels)
        {
            if (options.Task != PeftTask.Multiclass)
                throw new ArgumentException($"Labels have no meaning for Task = {options.Task}: leave them null.", nameof(options));
            if (labels.Count != outputs)
                throw new ArgumentException($"There are {labels.Count} Labels, and the adapter's head has {outputs} outputs: name each class once, in the order of the logits.", nameof(options));
            if (labels.Distinct(StringComparer.Ordinal).Count() != labels.Count || labels.Any(string.IsNullOrWhiteSpace))
                throw new ArgumentException("Two Labels are the same, or one is empty: name each class once.", nameof(options));
        }
        return outputs;
    }

    internal static ScoreColumns Scores(PeftAdapterOptions options, int outputs)
    {
        string?[] names = [options.TextColumnName, options.ScoreColumnName, options.PredictedLabelColumnName, options.ProbabilityColumnName];
        if (names.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("A column's name is empty: name the text, score, predicted label and probability columns, or leave their defaults.", nameof(options));
        if (options.MaxLength is < LoraTrainerOptionsValidator.ShortestLength)
            throw new ArgumentException($"MaxLength = {options.MaxLength} is out of range: use at least {LoraTrainerOptionsValidator.ShortestLength} tokens, or null for the model's maximum.", nameof(options));
        return options.Task switch
        {
            PeftTask.Multiclass => new MulticlassColumns(options.ScoreColumnName, options.PredictedLabelColumnName, outputs, options.Labels is null ? null : ClassNames.Of(options.Labels)),
            PeftTask.Binary => new BinaryColumns(options.ScoreColumnName, options.ProbabilityColumnName, options.PredictedLabelColumnName),
            _ => new RegressionColumns(options.ScoreColumnName),
        };
    }

    private static RobertaCheckpoint StoredBase(PeftFolder adapter)
    {
        var stored = adapter.Config.BaseModel
            ?? throw new ArgumentException($"'{adapter.Path}' does not say which base it was trained on: set BaseModel.");
        try
        {
            return adapter.Config.Revision is { Length: > 0 } revision && stored != EmbeddedCheckpoint.MiniId && !Directory.Exists(stored)
                ? RobertaCheckpoint.FromHub(stored, new HubOptions { Revision = revision })
                : RobertaCheckpoint.Parse(stored);
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"'{adapter.Path}' names the base '{stored}', which is neither here nor a hub id: set BaseModel.", e);
        }
    }

    // Nothing is known of the training but its outcome.
    internal static TrainingHistory History(PeftWeights adapter, long baseParameters, ScoreColumns scores)
    {
        long trained = PeftWriter.Tensors(adapter).Sum(t => t.Value.numel());
        return new() { MetricName = scores.Task.MetricName, TrainableParameters = trained, TotalParameters = baseParameters + trained };
    }
}
