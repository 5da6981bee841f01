using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Libraries.Shelves;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A library's base: where it comes from, what it is, and the loaded encoder.</summary>
internal sealed class LibraryBase
{
    private LibraryBase(RobertaCheckpoint checkpoint, CheckpointFiles files, MixedPredictor predictor, ScalarType type, long parameters)
    {
        (Checkpoint, Identity, Config, Predictor, Type, Parameters) = (checkpoint, files.Identity, files.Config, predictor, type, parameters);
    }

    public RobertaCheckpoint Checkpoint { get; }

    public BaseIdentity Identity { get; }

    public RobertaConfig Config { get; }

    public MixedPredictor Predictor { get; }

    /// <summary>What the encoder computes with.</summary>
    public ScalarType Type { get; }

    public Device Device => Predictor.Encoder.Device;

    /// <summary>Numbers in the base.</summary>
    public long Parameters { get; }

    public static LibraryBase Load(RobertaCheckpoint checkpoint, Device device, ScalarType type, AdapterLibraryOptions options)
    {
        using var files = checkpoint.Open(options.Progress, options.CancellationToken);
        if (EncoderTensors.Foreign(files.TensorNames) is { Count: > 0 } foreign)
            options.Progress?.Report(new() { Phase = TrainingPhase.LoadingModel, Message = $"{checkpoint.Id}: {EncoderTensors.Ignored(foreign)}" });
        var tokenizer = files.OpenTokenizer(TokenizerRule.Plain);
        using var weights = files.LoadWeights(device, type);
        var batching = new PredictorOptions { MaxTokensPerBatch = options.MaxTokensPerBatch };
        IAdapterStore store = options.OnShelves ?? device.type != TorchSharp.DeviceType.CPU ? new ShelfStore(device, type) : new SeparateStore(device, type);
        return new(checkpoint, files, new MixedPredictor(files.Config, tokenizer, ScoringEncoder.Of(weights), store, batching), type, weights.Tensors.Values.Sum(t => t.numel()));
    }

    /// <summary>The base's files.</summary>
    /// <exception cref="InvalidDataException">They have changed since the library was made.</exception>
    public CheckpointFiles OpenFiles()
    {
        var files = Checkpoint.Open(null, CancellationToken.None);
        if (files.Identity.Sha256 == Identity.Sha256)
            return files;
        using (files)
            throw new InvalidDataException($"The base model '{Checkpoint.Id}' has changed since the library was made: its weights' SHA-256 is {files.Identity.Sha256}, it was {Identity.Sha256}. Restore it.");
    }

    /// <summary>Refuses a model over another base.</summary>
    /// <exception cref="ArgumentException">The bases differ.</exception>
    public void Check(string name, BaseIdentity identity, RobertaConfig config)
    {
        if (identity.Sha256 != Identity.Sha256 || config != Config)
            throw new ArgumentException($"The adapter '{name}' was trained on the base '{identity.Id}' with the SHA-256 {identity.Sha256}; the library's base '{Identity.Id}' has {Identity.Sha256}. Adapters share one base: make another library for it.");
    }

    /// <summary>Reads single tensors of the base in fp32 on the CPU; opens its files when first asked.</summary>
    public sealed class Reader(LibraryBase origin) : IDisposable
    {
        private CheckpointFiles? _files;

        /// <summary>A tensor by full name, in the caller's dispose scope.</summary>
        public Tensor Tensor(string name)
        {
            _files ??= origin.OpenFiles();
            return _files.LoadTensors(n => n == name, CPU, ScalarType.Float32)[name];
        }

        public void Dispose() => _files?.Dispose();
    }
}
