using System.Globalization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Checkpointing;
using Microsoft.ML.LoraInit.Training.Optimization;
using Microsoft.ML.LoraInit.Training.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// One fine-tuning from request to trained model: head → adapters, initialised → training → the best epoch's
/// parameters. With a checkpoint folder it goes on from where an equal run stopped.
/// </summary>
internal sealed class FineTuningRun
{
    /// <summary>Rows that a method judges the model by while it trains.</summary>
    private const int JudgedRows = 32;

    private readonly FineTuningRequest _request;
    private readonly FineTuningSettings _settings;
    private readonly ProgressReporter _reporter;
    private readonly PeftWeights? _initial;

    private FineTuningRun(FineTuningRequest request)
    {
        _request = request;
        _settings = request.Settings;
        _initial = request.InitialAdapter;
        _reporter = new ProgressReporter(request.Progress, request.Log, request.Warn);
    }

    /// <summary>Runs to the end, or until cancelled after at least one epoch.</summary>
    /// <returns>The trained state, which the caller disposes, and the history.</returns>
    /// <exception cref="ArgumentException">Labels and task do not fit together.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before an epoch had ended.</exception>
    /// <exception cref="TrainingDivergedException">Loss or parameters became infinite or not a number.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint folder holds another run, or another run is using it.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    public static FineTuningResult Execute(FineTuningRequest request) => new FineTuningRun(request).Execute();

    private FineTuningResult Execute()
    {
        Check();
        using var scope = NewDisposeScope();
        var (config, outputs, device) = (_request.Base.Config, _request.Task.OutputCount, _request.Base.Device);
        using var gate = device.type == TorchSharp.DeviceType.CUDA ? CudaGate.Enter() : null;
        var head = _initial?.Head(outputs, device);
        if (_initial is not null && head is null)
            _reporter.Log($"The adapter in '{_settings.InitialAdapter}' has {(_initial.Head is null ? "no head" : $"a head of {_initial.Outputs} outputs")}; a fresh head of {outputs} is trained.");
        head ??= _request.Known is { } known ? HeadInitializer.Widen(known.Tensors, config, outputs, _request.Seed, device) : HeadInitializer.Create(config, outputs, _request.Seed, device);
        using var model = new RobertaClassifier(_request.Base, outputs, head);
        return Train(model);
    }

    /// <summary>Checks data and what was loaded; the options were checked before it was.</summary>
    private void Check()
    {
        _request.Task.Check(_request.Train, "training");
        if (_request.Validation is not null)
            _request.Task.Check(_request.Validation, "validation");
        _settings.Method.CheckRun(Steps);
        if (_request.Base.IsQuantized != (_settings.BaseQuantization != BaseQuantization.None))
            throw new InvalidOperationException($"BaseQuantization is {_settings.BaseQuantization}, but the base was loaded {(_request.Base.IsQuantized ? "" : "un")}quantised.");
        if ((_initial is null) != (_settings.InitialAdapter is null))
            throw new InvalidOperationException($"InitialAdapter is '{_settings.InitialAdapter}', but {(_initial is null ? "no adapter was" : "an adapter was")} read.");
    }

    private long Steps => (long)TrainingLoop.StepsPerEpoch(_request.Train.Texts.Length, _settings.Schedule) * _settings.Schedule.MaxEpochs;

    private FineTuningResult Train(RobertaClassifier model)
    {
        _request.CancellationToken.ThrowIfCancellationRequested();
        using var checkpoint = _settings.Checkpoints is null ? null : new TrainingCheckpoint(_settings.Checkpoints.Directory, _request);
        using var resumed = checkpoint?.Open();
        using var start = new InitialFactors();
        Prepare(model, start, resumed);
        foreach (var parameter in model.Linears.Select(l => l.Adapter).OfType<LinearAdapter>().SelectMany(a => a.OutputFactors))
            parameter.LearningRateFactor *= _settings.Optimizer.LoraPlusRatio;

        using var parameters = new TrainableParameters(model.Parameters);
        var adam = new AdamWSettings { WeightDecay = _settings.Optimizer.WeightDecay, DecayEverything = _settings.Optimizer.DecayBiasesAndNorms };
        using var optimizer = new FlatAdamW(parameters, adam);
        using var state = new TrainingState(model.Device);
        using var hooks = _settings.Method.Hooks(new(model, parameters, Steps, _request.Seed, _settings.Adapters)
        {
            Decay = adam.DecayOf,
            Moments = optimizer.Moments,
            Judge = () => Judge(model, parameters),
            KnownClasses = _request.Known?.Outputs ?? 0,
        });
        var parts = new RunParts(parameters, optimizer, state, start, hooks);
        resumed?.Restore(parts);
        resumed?.Dispose(); // the file is about to be replaced
        LogStart(model, parameters, resumed is null ? null : state);

        using var preconditioner = _settings.Optimizer.GradientPreconditioning == GradientPreconditioning.Riemannian && _settings.Method.UsesAdapters
            ? new RiemannianPreconditioner(parameters, Adapters(model), _settings.Optimizer.PreconditioningDamping)
            : null;

        var cancelled = Loop(model, parts, preconditioner, checkpoint, isNew: resumed is null);
        _reporter.Report(new() { Phase = TrainingPhase.Finishing, Epoch = state.BestEpoch, MaxEpochs = _settings.Schedule.MaxEpochs });
        return new(Capture(model, parameters, state), History(model, parts, cancelled));
    }

    /// <summary>Puts on the model what the method adds, started as the initialisation says or as the checkpoint has it.</summary>
    private void Prepare(RobertaClassifier model, InitialFactors start, TrainingCheckpoint.Reader? resumed)
    {
        if (_initial is not null)
        {
            _initial.Attach(model, _settings.Adapters.Dropout);
            return;
        }
        if (_request.Known is { } known && !_settings.Method.KeepsKnownClasses)
        {
            known.Attach(model);
            _settings.Method.Mark(model);
            return;
        }
        var targets = _settings.Method.Targets(_settings.Adapters, model.Config);
        if (targets.Count > 0)
            Start(model, targets, start, resumed);
        _settings.Method.Apply(model, new FineTuningPlan(_settings.Adapters, _request.Seed, targets, start.Adapters, _request.Earlier));
        // What the old classes' rows of the head stand on.
        if (_request.Known is not null)
            foreach (var parameter in (Parameter[])[model.Head.Dense.Weight, model.Head.Dense.Bias])
                parameter.Trained = false;
        if (start.Seconds >= 1)
            _reporter.Log(string.Create(CultureInfo.InvariantCulture, $"The initialisation '{_settings.Initialization.Name}' of {start.Targets.Count} adapters took {start.Seconds:F1} s."));
    }

    /// <summary>Computes the factors of the adapters, or reads those that an interrupted run computed.</summary>
    private void Start(RobertaClassifier model, IReadOnlyList<AdapterTarget> targets, InitialFactors start, TrainingCheckpoint.Reader? resumed)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        if (resumed is not null)
        {
            start.Resume(targets, resumed.Initial(targets, model.Device), resumed.InitializationSeconds);
            return;
        }
        _reporter.Report(new() { Phase = TrainingPhase.Initializing, Message = $"Initialising {targets.Count} adapters: {_settings.Initialization.Name}" });
        _request.CancellationToken.ThrowIfCancellationRequested();
        using var context = new ModelInitializationContext(model, targets, _request.Seed, _reporter, _request.CancellationToken, _request.Task, _request.Train);
        start.Compute(_settings.Initialization, context, model.Device);
    }

    /// <returns>Whether the run was cancelled with at least one epoch behind it.</returns>
    private bool Loop(RobertaClassifier model, RunParts parts, RiemannianPreconditioner? preconditioner, TrainingCheckpoint? checkpoint, bool isNew)
    {
        void Save() => checkpoint?.Save(parts);
        if (isNew)
            Save(); // what the initialisation made is not lost, however early the process ends
        try
        {
            var step = new StepParts(_request, model, parts.Parameters, parts.Optimizer, preconditioner, parts.State, parts.Hooks);
            using var engine = TrainingEngine.For(step);
            new TrainingLoop(step, engine.Step, _reporter, Save).Run();
            return false;
        }
        catch (OperationCanceledException) when (_request.CancellationToken.IsCancellationRequested)
        {
            Save();
            if (parts.State.Best is null)
                throw;
            _reporter.Log($"Training was cancelled at step {parts.State.Step}; the model is that of epoch {parts.State.BestEpoch}.");
            return true;
        }
    }

    private double Judge(RobertaClassifier model, TrainableParameters parameters)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var data = _request.Validation ?? _request.Train; // whoever cancels waits: a step is done whole
        // Drawn, since rows may be sorted by class.
        data = data.Take(new SeededRandom(SeededRandom.Hash(_request.Seed, "judged rows")).Permutation(data.Count)[..Math.Min(JudgedRows, data.Count)]);
        parameters.Bind();
        var logits = Validation.Logits(model, data.Expanded(), _request.Task, _settings.Schedule.BatchSize, _ => CudaGate.StepAside());
        return _request.Task.LossOf(_request.Task.Evaluate(data.Combine(logits), data.Labels, data.Weights));
    }

    private static IEnumerable<LowRankAdapter> Adapters(RobertaClassifier model) => model.Linears.Select(l => l.Adapter).OfType<LowRankAdapter>();

    /// <summary>What is trained: the setting, or with an adapter from a folder LoRA and the biases that it brings.</summary>
    private FineTuningMethod Method => _initial is { Bias: not LoraBias.None } ? FineTuningMethod.Lora(bias: _initial.Bias) : _settings.Method;

    private FineTunedState Capture(RobertaClassifier model, TrainableParameters parameters, TrainingState state)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        parameters.Flat.detach().copy_(state.Best!);
        var best = parameters.Snapshot();
        try
        {
            return FineTunedState.Capture(model, Method, _initial is null ? _settings.Initialization : null, best, OptimizerDescription(), _request.ClassWeights);
        }
        finally
        {
            foreach (var tensor in best.Values)
                tensor.Dispose();
        }
    }

    private OptimizerDescription OptimizerDescription()
    {
        var (ratio, kind, damping) = (_settings.Optimizer.LoraPlusRatio, _settings.Optimizer.GradientPreconditioning, _settings.Optimizer.PreconditioningDamping);
        return new(ratio, kind, kind == GradientPreconditioning.None ? null : damping);
    }

    private TrainingHistory History(RobertaClassifier model, RunParts parts, bool cancelled)
    {
        var state = parts.State;
        var seconds = state.Epochs.Sum(e => e.Seconds);
        return new()
        {
            Epochs = [.. state.Epochs],
            BestEpoch = state.BestEpoch,
            MetricName = _request.Task.MetricName,
            Steps = state.Step,
            TrainableParameters = parts.Parameters.Count,
            TotalParameters = model.Parameters.Sum(p => p.Count),
            InitializationSeconds = parts.Start.Seconds,
            FactorizationError = _settings.Method is LoraFamilyMethod { StartsItself: true } ? null : parts.Start.FactorizationError(_request.Base),
            TrainSamplesPerSecond = (double)_request.Train.Count * state.Epochs.Count / seconds,
            Cancelled = cancelled,
            StoppedEarly = state.StoppedEarly,
        };
    }

    private void LogStart(RobertaClassifier model, TrainableParameters parameters, TrainingState? resumed)
    {
        _reporter.Log(string.Create(CultureInfo.InvariantCulture,
            $"Fine-tuning {model.Base.Identity.Id} on {_request.Train.Count} rows, {parameters.Count} of {model.Parameters.Sum(p => p.Count)} parameters trained, {model.Base.DType} on {string.Join(", ", _request.OtherDevices.Prepend(model.Device))}."));
        if (resumed is not null)
            _reporter.Log($"Going on from the checkpoint in '{_settings.Checkpoints?.Directory}' at step {resumed.Step}.");
    }
}
