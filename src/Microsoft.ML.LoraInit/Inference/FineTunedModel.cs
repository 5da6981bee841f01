using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Inference.Explanation;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// A trained model: what training changed, where its base comes from, and the merged weights that score. A model just trained
/// and one just loaded are both made by <see cref="Create"/>.
/// </summary>
internal sealed class FineTunedModel : IDisposable
{
    private FineTunedModel(Settings settings, FineTunedState state, TrainingHistory history, RobertaCheckpoint checkpoint, ITextScorer scorer, TextExplainer explainer)
    {
        (ModelSettings, State, History, Checkpoint, Scorer, Explainer) = (settings, state, history, checkpoint, scorer, explainer);
    }

    public Settings ModelSettings { get; }

    public FineTunedState State { get; }

    public TrainingHistory History { get; }

    /// <summary>Where the base is read from when the model is saved with it.</summary>
    public RobertaCheckpoint Checkpoint { get; }

    public ITextScorer Scorer { get; }

    /// <summary>Shares the scorer's weights, and their life.</summary>
    public TextExplainer Explainer { get; }

    /// <param name="settings">What a saved model keeps beside the tensors.</param>
    /// <param name="state">Taken over, unless this fails.</param>
    /// <param name="history">How the training went.</param>
    /// <param name="checkpoint">Where the base comes from.</param>
    /// <param name="tokenizer">The base's tokenizer.</param>
    /// <param name="weights">The base in fp32 on the CPU; no longer needed afterwards.</param>
    /// <param name="device">Where to score.</param>
    public static FineTunedModel Create(
        Settings settings, FineTunedState state, TrainingHistory history, RobertaCheckpoint checkpoint, RobertaTokenizer tokenizer, BaseWeights weights, Device device)
    {
        var merged = new Dictionary<string, Tensor>(state.MergedWeights(weights, device, ComputeDevice.BaseType(settings.Precision, device)), StringComparer.Ordinal);
        foreach (var (name, tensor) in state.Bottlenecks)
            merged[name] = tensor.clone().to(device).DetachFromDisposeScope();
        var predictor = new RobertaPredictor(state.Config, merged);
        return new(settings, state, history, checkpoint, new TextScorer(tokenizer, predictor, settings.MaxLength),
            new TextExplainer(tokenizer, predictor, settings.MaxLength, state.Config.PadTokenId));
    }

    public void Dispose()
    {
        Scorer.Dispose();
        State.Dispose();
    }

    /// <summary>What a saved model keeps beside tensors and history.</summary>
    /// <param name="Scores">The columns written.</param>
    /// <param name="Texts">The columns read.</param>
    /// <param name="MaxLength">Tokens a row at most.</param>
    /// <param name="Precision">Precision of the encoder.</param>
    /// <param name="SaveMode">What a saved model contains.</param>
    internal sealed record Settings(ScoreColumns Scores, TextColumns Texts, int MaxLength, Precision Precision, ModelSaveMode SaveMode);
}
