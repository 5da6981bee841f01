using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Checkpointing;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>One inspection: check → open the base → tokenise → initialise → measure. Nothing is trained.</summary>
internal sealed class InspectionRun
{
    private const InitializationNeeds DataNeeds = InitializationNeeds.Activations | InitializationNeeds.Gradients | InitializationNeeds.Training;
    private const int RandomRowLength = 32;

    private readonly InspectionOptions _options;
    private readonly LoraTrainerOptions _training;
    private readonly LabelKind _kind;
    private readonly ProgressReporter _reporter;
    private readonly int _seed;
    private readonly List<string> _warnings = [];

    public InspectionRun(InspectionOptions options)
    {
        _options = options;
        _training = (options.Training ?? throw new ArgumentException($"{nameof(options.Training)} is null: give the options of a trainer.")).Clone();
        _kind = _training switch
        {
            LoraBinaryTextClassificationTrainer.Options => LabelKind.Boolean,
            LoraTextRegressionTrainer.Options => LabelKind.Single,
            LoraMultiLabelTextClassificationTrainer.Options => LabelKind.Vector,
            _ => LabelKind.Key,
        };
        _seed = _training.Seed ?? 0;
        _reporter = new ProgressReporter(_training.Progress, null, _warnings.Add);
        LoraTrainerOptionsValidator.Check(_training, [_training.ScoreColumnName]);
        if (!_training.Method.UsesAdapters)
            throw new ArgumentException($"Method = {_training.Method.Name} has no low-rank adapters, so there is no initialisation to look at: choose FineTuningMethod.Lora().");
        if (_training.Method is LoraFamilyMethod { StartsItself: true } own)
            _warnings.Add($"The method '{own.Name}' starts in its own way, in which the initialisation has no part: its tensors are measured as the plain LoRA that adds the same.");
        if (options.ProbeRows < 1)
            throw new ArgumentException($"{nameof(options.ProbeRows)} = {options.ProbeRows} is out of range: use at least 1.");
        if (options.LargestEigenvalue && options.Data is null)
            throw new ArgumentException($"{nameof(options.LargestEigenvalue)} is of the training loss, and no training data was given: set {nameof(options.Data)} too.");
        foreach (var strategy in Strategies())
            if (options.Data is null && (strategy.Needs & DataNeeds) != 0)
                throw new ArgumentException($"The initialisation '{strategy.Name}' looks at training data ({strategy.Needs & DataNeeds}), and none was given: set {nameof(options.Data)}, or choose one that needs only the weights.");
    }

    public InspectionReport Execute()
    {
        var columns = TextTrainerRun.Columns(_training);
        var classes = _options.Data is null ? 2 : columns.Check(_options.Data.Schema, _kind);
        TextTask task = _kind switch
        {
            LabelKind.Boolean => new BinaryTask(),
            LabelKind.Single => new RegressionTask(),
            LabelKind.Vector => new MultiLabelTask(classes),
            _ => new MulticlassTask(classes),
        };
        var device = ComputeDevice.ResolveAll(new MLContext(_seed), _training)[0];
        Report(TrainingPhase.LoadingModel, $"Opening {_training.BaseModel.Id}");
        using var files = _training.BaseModel.Open(_training.Progress, _training.CancellationToken);
        if (EncoderTensors.Foreign(files.TensorNames) is { Count: > 0 } foreign)
            Report(TrainingPhase.LoadingModel, $"{_training.BaseModel.Id}: {EncoderTensors.Ignored(foreign)}");
        using var scope = NewDisposeScope();
        var (maxLength, _) = TextTrainerRun.Check(_training, files.Config, task.OutputCount);
        if (_options.Against is { } against)
            foreach (var target in _training.Method.Targets(_training.ToAdapterSettings(), files.Config))
                against.Validate(target);
        var data = _options.Data is null ? null : Read(files, columns, maxLength);
        using var weights = files.LoadWeights(device, ComputeDevice.BaseType(_training.Precision, device), _training.BaseQuantization);
        var probe = data is null ? RandomRows(files.Config, task.LabelsPerRow) : Probe(data);
        return Measure(weights, task, data, probe) with { BaseRounding = Rounding(files, weights, task, probe) };
    }

    /// <summary>What the base's precision alone does to the hidden states; null in fp32.</summary>
    private double? Rounding(CheckpointFiles files, BaseWeights weights, TextTask task, TextDataset probe)
    {
        if (weights is { DType: ScalarType.Float32, IsQuantized: false })
            return null;
        using var exact = files.LoadWeights(weights.Device, ScalarType.Float32);
        using var expected = Model(exact, task);
        using var held = Model(weights, task);
        return StepZero(task, probe).Compare(expected, held).Hidden;
    }

    private StepZero StepZero(TextTask task, TextDataset probe) =>
        new(task, probe, _training.BatchSize, (message, done, total) => Report(TrainingPhase.Validating, message, done, total));

    private InspectionReport Measure(BaseWeights weights, TextTask task, TextDataset? data, TextDataset probe)
    {
        using var original = Model(weights, task);
        using var adapted = Model(weights, task);
        using var start = new InitialFactors();
        using var other = new InitialFactors();
        var settings = _training.ToAdapterSettings();
        var targets = _training.Method.Targets(settings, adapted.Config);
        var cost = Initialize(start, adapted, targets, _training.Initialization, task, data);
        _training.Method.Apply(adapted, new FineTuningPlan(settings, _seed, targets, start.Adapters));
        var againstCost = _options.Against is { } against ? Initialize(other, original, start.Targets, against, task, data) : null;

        var stepZero = StepZero(task, probe);
        var outputs = stepZero.Compare(original, adapted);
        var raw = Raw(original, adapted, start, _options.Against is null ? null : other);
        double? eigenvalue = _options.LargestEigenvalue ? stepZero.LargestEigenvalue(adapted, SeededRandom.Hash(_seed, "inspection/eigenvalue")) : null;
        if (data is not null)
            raw = WithGradients(raw, start.Targets, stepZero.Gradients(adapted)); // last: the adapters' values are its views from there on
        return new()
        {
            BaseModel = weights.Identity.Id,
            BaseSha256 = weights.Identity.Sha256,
            Initialization = InitializationRegistry.ToJson(_training.Initialization),
            Method = _training.Method.ToJson(),
            Family = _training.Initialization.Family,
            Against = _options.Against is null ? null : InitializationRegistry.ToJson(_options.Against),
            Device = weights.Device.ToString(),
            Precision = weights.DType.ToString(),
            Seed = _seed,
            DataRows = data?.Count ?? 0,
            ProbeRows = probe.Count,
            Layers = [.. start.Targets.Select((target, i) => Layer(adapted, target, raw[i]))],
            Total = RawMeasures.Together(raw),
            OutputChange = outputs,
            LargestEigenvalue = eigenvalue,
            Cost = cost!,
            AgainstCost = againstCost,
            Warnings = [.. _warnings],
        };
    }

    private InitializationCost Initialize(InitialFactors into, RobertaClassifier model, IReadOnlyList<AdapterTarget> targets, LoraInitialization strategy, TextTask task, TextDataset? data)
    {
        Report(TrainingPhase.Initializing, $"Initialising {targets.Count} adapters: {strategy.Name}");
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var context = new ModelInitializationContext(model, targets, _seed, _reporter, _training.CancellationToken, task, data);
        using var memory = new MemoryWatch(model.Device);
        into.Compute(strategy, context, model.Device);
        return new() { Seconds = into.Seconds, ProcessBytes = memory.ProcessBytes, DeviceBytes = memory.DeviceBytes };
    }

    private RawMeasures[] Raw(RobertaClassifier original, RobertaClassifier adapted, InitialFactors start, InitialFactors? other)
    {
        using var noGrad = no_grad();
        var after = adapted.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        var layers = new RawMeasures[start.Targets.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            Report(TrainingPhase.Finishing, "Measuring the adapters", i, layers.Length);
            using var scope = NewDisposeScope();
            var name = start.Targets[i].ModuleName;
            layers[i] = Raw(Present(start.Adapters[i], after[name]), other?.Adapters[i], original.Base.Original($"{name}.weight"), after[name]);
        }
        return layers;
    }

    // A variant of LoRA may have made something else of it.
    private InitializedAdapter Present(InitializedAdapter made, Linear layer) =>
        _training.Method is LoraFamilyMethod method && layer.Adapter is { } adapter ? AttachedFactors.Of(method, adapter, made) : made;

    /// <param name="start">The factors that are on the layer.</param>
    /// <param name="other">What the other one made, or null.</param>
    /// <param name="weight">W, fp32, unquantised however the base is held.</param>
    /// <param name="after">The layer that training would start from.</param>
    private static RawMeasures Raw(InitializedAdapter start, InitializedAdapter? other, Tensor weight, Linear after)
    {
        if (after.Adapter is not { } adapter)
            return new() { Weight = Subspaces.Square(weight.to(ScalarType.Float64)) };
        var subspaces = Subspaces.Of(start);
        var compared = other is null or { Rank: 0 } ? null : Subspaces.Of(other);
        return subspaces.Measure(start, adapter.Scaling, weight) with
        {
            Change = Subspaces.Square((adapter.EffectiveWeight(after.Weight.Value.to(ScalarType.Float32)) - weight).to(ScalarType.Float64)),
            OutputOverlap = compared is null ? null : Subspaces.Overlap(subspaces.Output, compared.Output),
            InputOverlap = compared is null ? null : Subspaces.Overlap(subspaces.Input, compared.Input),
        };
    }

    private static RawMeasures[] WithGradients(RawMeasures[] layers, IReadOnlyList<AdapterTarget> targets, IReadOnlyDictionary<string, double> gradients)
    {
        return [.. layers.Zip(targets, (raw, t) => raw with { GradientA = Find(t, LinearAdapter.Names.A), GradientB = Find(t, LinearAdapter.Names.B) })];

        double? Find(AdapterTarget target, string factor) => gradients.TryGetValue(target.ModuleName + factor, out var square) ? square : null;
    }

    private static LayerInspection Layer(RobertaClassifier adapted, AdapterTarget planned, RawMeasures raw)
    {
        // The data may have chosen another rank, or none.
        var target = adapted.Linears.First(l => l.Name == planned.ModuleName).Adapter?.Target;
        return new()
        {
            Module = planned.ModuleName,
            OutFeatures = planned.OutFeatures,
            InFeatures = planned.InFeatures,
            Rank = target?.Rank ?? 0,
            Alpha = target?.Alpha ?? planned.Alpha,
            Scaling = target?.Scaling ?? 0,
            Measures = RawMeasures.Together(raw),
        };
    }

    private RobertaClassifier Model(BaseWeights weights, TextTask task) =>
        new(weights, task.OutputCount, HeadInitializer.Create(weights.Config, task.OutputCount, _seed, weights.Device));

    private TextDataset Read(CheckpointFiles files, TextColumns columns, int maxLength)
    {
        var tokenizer = TextTrainerRun.Tokenizer(files, _training);
        return TextDatasetReader.Read(_options.Data!, columns, _kind, tokenizer, maxLength, _training.Progress, _training.CancellationToken, longText: _training.LongText).Expanded();
    }

    private TextDataset Probe(TextDataset data) =>
        data.Take([.. new SeededRandom(SeededRandom.Hash(_seed, "inspection/rows")).Permutation(data.Count).Take(_options.ProbeRows)]);

    /// <summary>Rows for outputs where there is no text: random tokens between the two special ones.</summary>
    private TextDataset RandomRows(RobertaConfig config, int labels)
    {
        var random = new SeededRandom(SeededRandom.Hash(_seed, "inspection/tokens"));
        var first = Math.Max(config.PadTokenId, Math.Max(config.BosTokenId, config.EosTokenId)) + 1;
        var texts = new EncodedText[_options.ProbeRows];
        for (int i = 0; i < texts.Length; i++)
        {
            var words = Enumerable.Range(0, Math.Min(RandomRowLength, config.MaxLength) - 2).Select(_ => first + random.Next(config.VocabularySize - first));
            texts[i] = new([config.BosTokenId, .. words, config.EosTokenId]);
        }
        return new(texts, new float[texts.Length * labels], null) { LabelsPerRow = labels };
    }

    private IEnumerable<LoraInitialization> Strategies() => _options.Against is null ? [_training.Initialization] : [_training.Initialization, _options.Against];

    private void Report(TrainingPhase phase, string message, long step = 0, long total = 0)
    {
        _training.CancellationToken.ThrowIfCancellationRequested();
        _reporter.Report(new() { Phase = phase, Message = message, Step = step, TotalSteps = total });
    }
}
