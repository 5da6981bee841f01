using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>A model as ONNX Runtime scores it: the file, the tokenizer and the columns. Nothing in it needs libtorch.</summary>
internal sealed class OnnxTextModel : IDisposable
{
    private readonly TextScorer _scorer;
    private readonly RobertaConfig _config;
    private readonly Lock _configuring = new();

    /// <param name="settings">What a saved model keeps beside the files.</param>
    /// <param name="file">The ONNX file.</param>
    /// <param name="tokenizer">What the tokenizer is made of.</param>
    /// <param name="scoring">How it scores.</param>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library or the execution provider is missing.</exception>
    /// <exception cref="InvalidDataException">The parts do not fit one another.</exception>
    public OnnxTextModel(Settings settings, byte[] file, TokenizerFiles tokenizer, OnnxScoringOptions scoring)
    {
        (ModelSettings, File, Tokenizer, Scoring) = (settings, file, tokenizer, scoring);
        _config = RobertaConfigReader.Parse(tokenizer.Config, CheckpointNames.Config);
        if (settings.MaxLength < RobertaTextTokenizer.LeastLength || settings.MaxLength > _config.MaxLength)
            throw new InvalidDataException($"The model's maximum length is {settings.MaxLength}, and its base takes {RobertaTextTokenizer.LeastLength} to {_config.MaxLength} tokens.");
        _scorer = new(new(tokenizer.Tokenizer(_config), settings.MaxLength, settings.LongText) { Empty = settings.Scores.Calibration.Empty }, Predictor(scoring));
    }

    public Settings ModelSettings { get; }

    public byte[] File { get; }

    public TokenizerFiles Tokenizer { get; }

    public RobertaTextTokenizer TextTokenizer => new(Tokenizer, ModelSettings.MaxLength, ModelSettings.LongText);

    public OnnxScoringOptions Scoring { get; private set; }

    public ITextScorer Scorer => _scorer;

    /// <summary>Scores as the options say from now on. Calls under way finish as they began.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or the weights are of the other kind.</exception>
    /// <exception cref="InvalidOperationException">The execution provider is missing.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public void Configure(OnnxScoringOptions options)
    {
        options.Check();
        if (options.Int8 != ModelSettings.Int8)
            throw new ArgumentException($"Int8 = {options.Int8}: the model's weights are in {(ModelSettings.Int8 ? "8 bits" : "fp32")}, and stay so; make another one with ToOnnxRuntime(new() {{ Int8 = {(options.Int8 ? "true" : "false")} }}).");
        lock (_configuring)
        {
            ObjectDisposedException.ThrowIf(_scorer.IsDisposed, this);
            _scorer.Replace(Predictor(options));
            Scoring = options;
        }
    }

    public void Dispose()
    {
        lock (_configuring)
            _scorer.Dispose();
    }

    private RobertaPredictor Predictor(OnnxScoringOptions options)
    {
        var predictor = options.ForPredictor();
        var scorer = new OnnxScorer(File, _config.PadTokenId, options, predictor);
        if (scorer.Outputs == ModelSettings.Scores.Task.OutputCount)
            return new(_config, scorer, predictor.Batching);
        using (scorer)
            throw new InvalidDataException($"The ONNX model has {scorer.Outputs} outputs for {ModelSettings.Scores.Task.OutputCount} scores.");
    }

    /// <summary>What a saved model keeps beside the files.</summary>
    /// <param name="Scores">The columns written.</param>
    /// <param name="Texts">The columns read.</param>
    /// <param name="MaxLength">Tokens a row at most.</param>
    /// <param name="Int8">Whether the encoder multiplies in 8 bits.</param>
    /// <param name="BaseModelId">The base model's id.</param>
    /// <param name="BaseModelSha256">Of the base model's weights.</param>
    internal sealed record Settings(ScoreColumns Scores, TextColumns Texts, int MaxLength, bool Int8, string BaseModelId, string BaseModelSha256)
    {
        /// <summary>What is read of texts that are longer.</summary>
        public LongText LongText { get; init; } = LongText.Truncate;
    }
}
