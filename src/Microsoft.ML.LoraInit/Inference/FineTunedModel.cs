using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Explanation;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// A trained model: what training changed, where its base comes from, and the merged weights that score. A model just trained
/// and one just loaded are both made by <see cref="Create"/>.
/// </summary>
internal sealed class FineTunedModel : IDisposable
{
    private readonly TextScorer _scorer;
    private readonly Device _device;
    private readonly Lock _configuring = new();
    private readonly NativeFootprint _footprint;
    private readonly SentencePooling? _pooling;

    private FineTunedModel(Settings settings, FineTunedState state, TrainingHistory history, RobertaCheckpoint checkpoint, TextScorer scorer, TextExplainer explainer, Device device, NativeFootprint footprint, SentencePooling? pooling)
    {
        (ModelSettings, State, History, Checkpoint, _scorer, Explainer, _device, _footprint, _pooling) = (settings, state, history, checkpoint, scorer, explainer, device, footprint, pooling);
    }

    public Settings ModelSettings { get; private set; }

    public FineTunedState State { get; }

    public TrainingHistory History { get; private set; }

    /// <summary>Where the base is read from when the model is saved with it.</summary>
    public RobertaCheckpoint Checkpoint { get; }

    public ITextScorer Scorer => _scorer;

    public bool IsDisposed => _scorer.IsDisposed;

    /// <summary>How it scores; set by <see cref="Configure"/>.</summary>
    public ScoringOptions Scoring { get; private set; } = new();

    /// <summary>Shares the scorer's weights, and their life.</summary>
    public TextExplainer Explainer { get; }

    /// <param name="settings">What a saved model keeps beside the tensors.</param>
    /// <param name="state">Taken over, unless this fails.</param>
    /// <param name="history">How the training went.</param>
    /// <param name="checkpoint">Where the base comes from.</param>
    /// <param name="tokenizer">The base's tokenizer.</param>
    /// <param name="weights">The base in fp32 on the CPU; no longer needed afterwards.</param>
    /// <param name="device">Where to score.</param>
    /// <param name="pooling">What its scorer gives: vectors made so, or logits where it is null.</param>
    /// <exception cref="InvalidDataException">Numbers of the merged weights are not finite.</exception>
    public static FineTunedModel Create(
        Settings settings, FineTunedState state, TrainingHistory history, RobertaCheckpoint checkpoint, SubwordTokenizer tokenizer, BaseWeights weights, Device device,
        SentencePooling? pooling = null)
    {
        var footprint = new NativeFootprint(state.Tensors.Values);
        try
        {
            var predictor = Predictor(settings, state, weights, device, new ScoringOptions(), pooling);
            // What a model says of an empty text are scores; its vector is computed as any other.
            var scorer = new TextScorer(pooling is null ? Encoder(settings, tokenizer) : new TextEncoder(tokenizer, settings.MaxLength, settings.LongText), predictor);
            return new(settings, state, history, checkpoint, scorer,
                new TextExplainer(tokenizer, scorer, settings.MaxLength, state.Config.PadTokenId), device, footprint, pooling);
        }
        catch
        {
            footprint.Dispose();
            throw;
        }
    }

    /// <summary>Scores as the options say from now on. Calls under way finish as they began.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">8 bits were asked for, and the package for them is missing.</exception>
    /// <exception cref="InvalidDataException">The base model has changed since it was loaded, or weights are not finite in the precision asked for.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public void Configure(ScoringOptions options)
    {
        options.Check();
        options.Check(_device);
        if (options.Int8 && _pooling is not null)
            throw new ArgumentException($"{nameof(options.Int8)} = true: vectors are computed in fp32 or bf16; 8 bits are for trained models' scores.");
        lock (_configuring)
        {
            ObjectDisposedException.ThrowIf(_scorer.IsDisposed, this);
            if (options.CpuThreads is { } threads)
                set_num_threads(threads);
            _scorer.Replace(options.Int8 ? Int8Predictor(options) : Predictor(options));
            Scoring = options;
        }
    }

    /// <summary>Puts a temperature and the answer to empty texts on the scores; before anybody else has the model.</summary>
    /// <param name="calibration">Both.</param>
    /// <param name="history">How the temperature came about, or null.</param>
    public void Calibrate(ScoreCalibration calibration, CalibrationHistory? history)
    {
        History = History with { Calibration = history };
        ModelSettings = ModelSettings with { Scores = ModelSettings.Scores.With(calibration) };
        _scorer.Encoder = _scorer.Encoder with { Empty = calibration.Empty };
    }

    /// <summary>The logits of rows that are encoded already, as the model scores now.</summary>
    public float[][] Score(IReadOnlyList<EncodedText> rows) => _scorer.Score(rows);

    /// <summary>The base that the model was trained on.</summary>
    /// <exception cref="InvalidDataException">What is there now is another one.</exception>
    public CheckpointFiles OpenBase()
    {
        var files = Checkpoint.Open(null, CancellationToken.None);
        if (files.Identity.Sha256 == State.Base.Sha256)
            return files;
        using (files)
            throw new InvalidDataException($"The base model '{Checkpoint.Id}' has changed since the training: its weights' SHA-256 is {files.Identity.Sha256}, it was {State.Base.Sha256}. Restore it.");
    }

    public void Dispose()
    {
        lock (_configuring)
        {
            _scorer.Dispose();
            State.Dispose();
            _footprint.Dispose();
        }
    }

    /// <summary>How a model of these settings makes rows of texts.</summary>
    public static TextEncoder Encoder(Settings settings, SubwordTokenizer tokenizer) => new(tokenizer, settings.MaxLength, settings.LongText) { Empty = settings.Scores.Calibration.Empty };

    private RobertaPredictor Int8Predictor(ScoringOptions options)
    {
        var predictor = options.ForPredictor(ScalarType.Float32, _device);
        var scorer = new Int8Scorer(Int8PackageAttribute.Find().Create(this, predictor), () => FromBase(weights =>
            new MergedModel(State.Config, Merged(State, weights, CPU, ScalarType.Float32))));
        return new(State.Config, scorer, predictor.Batching);
    }

    private RobertaPredictor Predictor(ScoringOptions options) => FromBase(weights => Predictor(ModelSettings, State, weights, _device, options, _pooling));

    // Merged once more from the base, as when the model was loaded: rounding bf16 weights up would not restore them.
    private T FromBase<T>(Func<BaseWeights, T> make)
    {
        using var files = Checkpoint.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        return make(weights);
    }

    private static RobertaPredictor Predictor(Settings settings, FineTunedState state, BaseWeights weights, Device device, ScoringOptions scoring, SentencePooling? pooling)
    {
        var type = scoring.WeightType(settings.Precision, device);
        return new(state.Config, Merged(state, weights, device, type), scoring.ForPredictor(type, device) with { Pooling = pooling });
    }

    private static Dictionary<string, Tensor> Merged(FineTunedState state, BaseWeights weights, Device device, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var merged = new Dictionary<string, Tensor>(state.MergedWeights(weights, device, type), StringComparer.Ordinal);
        foreach (var (name, tensor) in state.Bottlenecks)
            merged[name] = tensor.clone().to(device).DetachFromDisposeScope();
        // The base's own weights were looked at when they were read.
        foreach (var (name, tensor) in merged)
            if (state.Changes(name) && !FiniteNumbers.Hold(tensor, FiniteNumbers.MostOfWeights))
            {
                foreach (var each in merged.Values)
                    each.Dispose();
                throw new InvalidDataException($"The model's weights '{name}' hold numbers that are not finite or beyond ±{FiniteNumbers.MostOfWeights:N0}, from which no scores can be computed. The model is damaged, or its training diverged: get or train it again.");
            }
        return merged;
    }

    /// <summary>What a saved model keeps beside tensors and history.</summary>
    /// <param name="Scores">The columns written.</param>
    /// <param name="Texts">The columns read.</param>
    /// <param name="MaxLength">Tokens a row at most.</param>
    /// <param name="Precision">Precision of the encoder.</param>
    /// <param name="SaveMode">What a saved model contains.</param>
    /// <param name="Tokenizer">How texts become ids; null for a model of version 0.1.0, which knew <see cref="TokenizerRule.Plain"/> alone.</param>
    internal sealed record Settings(ScoreColumns Scores, TextColumns Texts, int MaxLength, Precision Precision, ModelSaveMode SaveMode, TokenizerRule? Tokenizer = null)
    {
        /// <summary>What is read of texts beyond <see cref="MaxLength"/>; a model of version 0.1.0 cuts them.</summary>
        public LongText LongText { get; init; } = LongText.Truncate;

        /// <summary>Refuses settings out of a file that no trainer gives a model over this base.</summary>
        /// <exception cref="FormatException">One is out of range.</exception>
        public void Check(RobertaConfig config)
        {
            int least = Texts.Text2 is null ? 3 : 5; // the special tokens and one of text
            if (MaxLength < least || MaxLength > config.MaxLength)
                throw new FormatException($"'maxLength' is {MaxLength}, and the base takes {least} to {config.MaxLength} tokens.");
            int room = MaxLength - SubwordTokenizer.SpecialTokens(Texts.Text2 is not null);
            if (LongText.Stride > room)
                throw new FormatException($"'longText' is {LongText}, and there is room for {room} tokens.");
            if (string.IsNullOrWhiteSpace(Texts.Text) || (Texts.Text2 is not null && string.IsNullOrWhiteSpace(Texts.Text2)))
                throw new FormatException("A text column has no name.");
        }
    }
}
