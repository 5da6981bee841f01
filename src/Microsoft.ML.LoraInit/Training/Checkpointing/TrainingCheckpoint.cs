using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// The resumable state of a run in one file, <c>training.safetensors</c> in <c>CheckpointDirectory</c>, replaced as a
/// whole each time: whenever the process ends, the file holds a complete state. It is kept when training has ended, so
/// that fitting again with equal options and data gives the same model without training.
/// </summary>
internal sealed class TrainingCheckpoint
{
    public const string FileName = "training.safetensors";

    private const string FingerprintKey = "lorainit.fingerprint";
    private const string StateKey = "lorainit.state";
    private const string InitialKey = "lorainit.initial";
    private const string ParametersName = "parameters";
    private const string BestName = "best";
    private const string OptimizerPrefix = "optimizer/";

    private static readonly JsonSerializerOptions Json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly string _path;
    private readonly SortedDictionary<string, string> _fingerprint;

    private sealed record Numbers(
        long Step, int Epoch, int StepInEpoch, double LossSum, double WeightSum, double EpochSeconds, double InitializationSeconds,
        int BestEpoch, double BestMetric, bool Finished, bool StoppedEarly, List<EpochHistory> Epochs);

    /// <exception cref="IOException">The folder cannot be made.</exception>
    public TrainingCheckpoint(string folder, FineTuningRequest request)
    {
        Directory.CreateDirectory(folder);
        _path = Path.Combine(Path.GetFullPath(folder), FileName);
        _fingerprint = RunFingerprint.Of(request);
    }

    /// <summary>Writes everything.</summary>
    public void Save(RunParts parts)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var state = parts.State;
        var optimizer = parts.Optimizer.ExportState();
        try
        {
            var tensors = optimizer.Select(t => KeyValuePair.Create(OptimizerPrefix + t.Key, t.Value))
                .Append(KeyValuePair.Create(ParametersName, parts.Parameters.Flat.detach()))
                .Concat(state.Best is null ? [] : [KeyValuePair.Create(BestName, state.Best)])
                .Concat(InitialAdapters.Tensors(parts.Start.Targets, parts.Start.Adapters));
            var numbers = new Numbers(
                state.Step, state.Epoch, state.StepInEpoch, state.LossSum.cpu().item<double>(), state.WeightSum, state.EpochSeconds, parts.Start.Seconds,
                state.BestEpoch, state.BestMetric, state.Finished, state.StoppedEarly, state.Epochs);
            SafetensorsWriter.Write(_path, tensors, new Dictionary<string, string>
            {
                [FingerprintKey] = JsonSerializer.Serialize(_fingerprint),
                [StateKey] = JsonSerializer.Serialize(numbers, Json),
                [InitialKey] = InitialAdapters.Describe(parts.Start.Targets, parts.Start.Adapters),
            });
        }
        finally
        {
            foreach (var tensor in optimizer.Values)
                tensor.Dispose();
        }
    }

    /// <summary>
    /// Opens the file, or returns null where there is none. Left-over temporary files of a killed process are deleted.
    /// </summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="InvalidOperationException">The file belongs to another run; the message says what differs.</exception>
    public Reader? Open()
    {
        foreach (var leftOver in Directory.EnumerateFiles(Path.GetDirectoryName(_path)!, $".{FileName}.*.tmp"))
            File.Delete(leftOver);
        if (!File.Exists(_path))
            return null;
        var file = Guard(() => SafetensorsFile.Open(_path));
        try
        {
            var stored = Guard(() => JsonSerializer.Deserialize<Dictionary<string, string>>(file.Metadata[FingerprintKey]))!;
            var differences = RunFingerprint.Differences(stored, _fingerprint).ToArray();
            if (differences.Length > 0)
                throw new InvalidOperationException($"The training checkpoint '{_path}' belongs to another run: {string.Join("; ", differences)}. Restore those settings to go on with it, or delete the file or choose another CheckpointDirectory to train anew.");
            return new(this, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whatever is wrong with the content is told as one kind of error that says what to do.</summary>
    private T Guard<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is InvalidDataException or JsonException or KeyNotFoundException or EndOfStreamException or FormatException)
        {
            throw new InvalidDataException($"The training checkpoint '{_path}' is damaged ({e.Message}). Delete it, or choose another CheckpointDirectory, to train anew.", e);
        }
    }

    /// <summary>An open checkpoint of this run.</summary>
    internal sealed class Reader(TrainingCheckpoint owner, SafetensorsFile file) : IDisposable
    {
        private Numbers? _numbers;

        private Numbers Stored => _numbers ??= owner.Guard(() => JsonSerializer.Deserialize<Numbers>(file.Metadata[StateKey], Json))!;

        public double InitializationSeconds => Stored.InitializationSeconds;

        public long Step => Stored.Step;

        /// <summary>The factors that the run started from; in the caller's scope.</summary>
        public IReadOnlyList<InitializedAdapter> Initial(IReadOnlyList<AdapterTarget> targets, Device device) =>
            owner.Guard(() => InitialAdapters.Read(file, file.Metadata[InitialKey], targets, device));

        /// <summary>Puts parameters, optimiser and state back to where they were.</summary>
        public void Restore(TrainableParameters parameters, FlatAdamW optimizer, TrainingState state) => owner.Guard(() =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            if (Stored.Finished || Stored.BestEpoch > 0)
                state.Keep(Stored.BestEpoch, Stored.BestMetric, Read(BestName, parameters));
            parameters.Flat.copy_(Read(ParametersName, parameters));
            optimizer.ImportState(file.Names.Where(n => n.StartsWith(OptimizerPrefix, StringComparison.Ordinal))
                .ToDictionary(n => n[OptimizerPrefix.Length..], n => file.Read(n)));
            state.LossSum.fill_(Stored.LossSum);
            state.Step = Stored.Step;
            state.Epoch = Stored.Epoch;
            state.StepInEpoch = Stored.StepInEpoch;
            state.WeightSum = Stored.WeightSum;
            state.EpochSeconds = Stored.EpochSeconds;
            state.Epochs.AddRange(Stored.Epochs);
            state.Finished = Stored.Finished;
            state.StoppedEarly = Stored.StoppedEarly;
            return true;
        });

        public void Dispose() => file.Dispose();

        private Tensor Read(string name, TrainableParameters parameters)
        {
            var value = file.Read(name, ScalarType.Float32, parameters.Flat.device);
            return value.numel() == parameters.Count ? value
                : throw new InvalidDataException($"'{name}' has {value.numel()} values where {parameters.Count} are trained.");
        }
    }
}

/// <summary>What a checkpoint is made of.</summary>
/// <param name="Parameters">What is trained.</param>
/// <param name="Optimizer">Its optimiser.</param>
/// <param name="State">Where the run stands.</param>
/// <param name="Start">What the adapters started from.</param>
internal sealed record RunParts(TrainableParameters Parameters, FlatAdamW Optimizer, TrainingState State, StartingPoint Start);
