using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// The resumable state of a run in one file, <c>training.safetensors</c> in <c>CheckpointDirectory</c>, replaced as a
/// whole each time: whenever the process ends, the file holds a complete state. It is kept when training has ended, so
/// that fitting again with equal options and data gives the same model without training.
/// </summary>
/// <remarks>
/// One run has the folder at a time: it holds <c>training.lock</c>, which the system frees however the process ends.
/// </remarks>
internal sealed class TrainingCheckpoint : IDisposable
{
    public const string FileName = "training.safetensors";

    private const string FingerprintKey = "lorainit.fingerprint";
    private const string StateKey = "lorainit.state";
    private const string InitialKey = "lorainit.initial";
    private const string ParametersName = "parameters";
    private const string BestName = "best";
    private const string OptimizerPrefix = "optimizer/";
    private const string MethodPrefix = "method/";

    private const string ChecksumKey = "lorainit.sha256";
    private const string LockName = "training.lock";

    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals });

    private readonly string _path;
    private readonly FileStream _lock;
    private readonly SortedDictionary<string, string> _fingerprint;

    private sealed record Numbers(
        long Step, int Epoch, int StepInEpoch, double LossSum, double WeightSum, double EpochSeconds, double InitializationSeconds,
        int BestEpoch, double BestMetric, bool Finished, bool StoppedEarly, List<EpochHistory> Epochs)
    {
        /// <exception cref="InvalidDataException">A number is none that a run can have.</exception>
        public Numbers Check() => Step >= 0 && Epoch >= 1 && StepInEpoch >= 0 && StepInEpoch <= Step && BestEpoch >= 0 && BestEpoch < Epoch && Epochs.Count == Epoch - 1
            && double.IsFinite(LossSum) && double.IsFinite(WeightSum) && double.IsFinite(EpochSeconds) && double.IsFinite(InitializationSeconds) ? this
            : throw new InvalidDataException($"'{StateKey}' holds numbers that no run has: {Epochs.Count} epochs are over in the epoch {Epoch} at step {Step}");
    }

    /// <exception cref="IOException">The folder cannot be made or written to.</exception>
    /// <exception cref="InvalidOperationException">Another run has the folder.</exception>
    public TrainingCheckpoint(string folder, FineTuningRequest request)
    {
        _path = Path.Combine(Path.GetFullPath(folder), FileName);
        _fingerprint = RunFingerprint.Of(request);
        _lock = Lock(folder);
        try
        {
            AtomicFile.DeleteOrphans(_path); // nobody else writes here
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>Gives the folder to other runs; the lock's file stays, since deleting it would let two of them have one each.</summary>
    public void Dispose() => _lock.Dispose();

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
                .Concat(parts.Hooks?.State.Select(t => KeyValuePair.Create(MethodPrefix + t.Key, t.Value)) ?? [])
                .Concat(InitialFactorsFile.Tensors(parts.Start.Targets, parts.Start.Adapters));
            var numbers = new Numbers(
                state.Step, state.Epoch, state.StepInEpoch, state.LossSum.cpu().item<double>(), state.WeightSum, state.EpochSeconds, parts.Start.Seconds,
                state.BestEpoch, state.BestMetric, state.Finished, state.StoppedEarly, state.Epochs);
            var metadata = new Dictionary<string, string>
            {
                [FingerprintKey] = JsonSerializer.Serialize(_fingerprint),
                [StateKey] = JsonSerializer.Serialize(numbers, Json),
                [InitialKey] = InitialFactorsFile.Describe(parts.Start.Targets, parts.Start.Adapters),
            };
            SafetensorsWriter.WriteChecked(_path, tensors, metadata, ChecksumKey);
        }
        finally
        {
            foreach (var tensor in optimizer.Values)
                tensor.Dispose();
        }
    }

    /// <summary>
    /// Opens the file, or returns null where there is none.
    /// </summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="InvalidOperationException">The file belongs to another run; the message says what differs.</exception>
    public Reader? Open()
    {
        if (!File.Exists(_path))
            return null;
        var file = Guard(() => SafetensorsFile.Open(_path));
        try
        {
            var stored = Guard(() => UntrustedJson.Read<Dictionary<string, string>>(Text(file, FingerprintKey), Source(FingerprintKey)));
            if (stored.GetValueOrDefault(RunFingerprint.FormatKey) == RunFingerprint.UncheckedFormat)
                stored[RunFingerprint.FormatKey] = RunFingerprint.FormatVersion;
            else
                Guard(() => Checked(file));
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

    // A file of 0.1.0 has none; what says it is one and has other members is refused when they are read.
    private static bool Checked(SafetensorsFile file)
    {
        file.CheckSum(ChecksumKey);
        return true;
    }

    private static FileStream Lock(string folder)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, LockName);
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
        }
        // Not the kinds of IOException that say something else: no such folder, a path too long.
        catch (IOException e) when (e.GetType() == typeof(IOException) && File.Exists(path))
        {
            throw new InvalidOperationException($"The CheckpointDirectory '{Path.GetFullPath(folder)}' is in use by another run: wait for it to end, or choose another folder.", e);
        }
    }

    private static string Text(SafetensorsFile file, string key) =>
        file.Metadata.TryGetValue(key, out var text) ? text : throw new InvalidDataException($"it lacks '{key}'");

    private static JsonSource Source(string key) => new($"'{key}'", "");

    /// <summary>Whatever is wrong with the content is told as one kind of error that says what to do.</summary>
    private T Guard<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        // Those beside the first come from numbers that do not fit the optimiser or the model.
        catch (Exception e) when (e is InvalidDataException or ArgumentException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"The training checkpoint '{_path}' is damaged ({e.Message.TrimEnd(' ', '.')}). Delete it, or choose another CheckpointDirectory, to train anew.", e);
        }
    }

    /// <summary>An open checkpoint of this run.</summary>
    internal sealed class Reader(TrainingCheckpoint owner, SafetensorsFile file) : IDisposable
    {
        private Numbers? _numbers;

        private Numbers Stored => _numbers ??= owner.Guard(() => UntrustedJson.Read<Numbers>(Text(file, StateKey), Source(StateKey), Json).Check());

        public double InitializationSeconds => Stored.InitializationSeconds;

        public long Step => Stored.Step;

        /// <summary>The factors that the run started from; in the caller's scope.</summary>
        public IReadOnlyList<InitializedAdapter> Initial(IReadOnlyList<AdapterTarget> targets, Device device) =>
            owner.Guard(() => InitialFactorsFile.Read(file, Text(file, InitialKey), targets, device));

        /// <summary>Puts parameters, optimiser, state and what the method carries along back to where they were.</summary>
        public void Restore(RunParts parts) => owner.Guard(() =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var (parameters, optimizer, state) = (parts.Parameters, parts.Optimizer, parts.State);
            if (Stored.Finished || Stored.BestEpoch > 0)
                state.Keep(Stored.BestEpoch, Stored.BestMetric, Read(BestName, parameters));
            parameters.Flat.copy_(Read(ParametersName, parameters));
            optimizer.ImportState(file.Names.Where(n => n.StartsWith(OptimizerPrefix, StringComparison.Ordinal))
                .ToDictionary(n => n[OptimizerPrefix.Length..], n => file.Read(n)));
            parts.Hooks?.ResumeAt(Stored.Step);
            foreach (var (name, value) in parts.Hooks?.State ?? [])
                value.copy_(Carried(name, value));
            state.LossSum.Fill_(Stored.LossSum);
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

        private Tensor Carried(string name, Tensor like)
        {
            var stored = file.Read(MethodPrefix + name, like.dtype, like.device);
            return stored.shape.AsSpan().SequenceEqual(like.shape) ? stored
                : throw new InvalidDataException($"'{MethodPrefix}{name}' has the shape [{string.Join(", ", stored.shape)}] where [{string.Join(", ", like.shape)}] is expected");
        }

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
/// <param name="Hooks">What the method does around a step, with what it carries along; or null.</param>
internal sealed record RunParts(TrainableParameters Parameters, FlatAdamW Optimizer, TrainingState State, InitialFactors Start, MethodHooks? Hooks = null);
