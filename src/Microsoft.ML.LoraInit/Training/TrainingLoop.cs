using System.Diagnostics;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Batching;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// Epochs of optimiser steps, each followed by validation. Nothing in an epoch waits for the device but the loss
/// reports; order and dropout come from the seed, epoch and step alone, so a run goes on from any step exactly.
/// </summary>
internal sealed class TrainingLoop
{
    private readonly FineTuningRequest _request;
    private readonly LoraTrainerOptions _options;
    private readonly RobertaClassifier _model;
    private readonly TrainableParameters _parameters;
    private readonly FlatAdamW _optimizer;
    private readonly RiemannianPreconditioner? _preconditioner;
    private readonly TrainingState _state;
    private readonly LoopReports _reports;
    private readonly LearningRate _rate;
    private readonly int[] _lengths;
    private readonly int _stepsPerEpoch;
    private readonly Action _save;

    /// <param name="request">The run.</param>
    /// <param name="model">The model with its adapters on.</param>
    /// <param name="parameters">What is trained.</param>
    /// <param name="optimizer">The optimiser over <paramref name="parameters"/>, fresh or resumed.</param>
    /// <param name="preconditioner">Changes the gradient before the optimiser sees it; or null.</param>
    /// <param name="state">Where the run stands: fresh or resumed.</param>
    /// <param name="reporter">Receives progress.</param>
    /// <param name="save">Writes a checkpoint of all that.</param>
    public TrainingLoop(FineTuningRequest request, RobertaClassifier model, TrainableParameters parameters, FlatAdamW optimizer, RiemannianPreconditioner? preconditioner, TrainingState state, ProgressReporter reporter, Action save)
    {
        _request = request;
        _options = request.Options;
        _model = model;
        _parameters = parameters;
        _optimizer = optimizer;
        _preconditioner = preconditioner;
        _state = state;
        _save = save;
        _lengths = [.. request.Train.Texts.Select(t => t.Length)];
        var batches = Plan(1).Count;
        _stepsPerEpoch = (batches + _options.GradientAccumulationSteps - 1) / _options.GradientAccumulationSteps;
        var total = (long)_stepsPerEpoch * _options.MaxEpochs;
        _rate = LearningRate.WithWarmupRatio(_options.LearningRateSchedule, _options.InitialLearningRate, _options.WarmupRatio, total);
        _reports = new LoopReports(request, state, reporter, total);
    }

    /// <summary>Trains to the end. <see cref="TrainingState"/> then has the best epoch's parameters.</summary>
    /// <exception cref="OperationCanceledException">Training was cancelled; parameters and state are as after the last step.</exception>
    /// <exception cref="TrainingDivergedException">The loss or a parameter is not finite.</exception>
    public void Run()
    {
        while (!_state.Finished)
        {
            TrainEpoch();
            CloseEpoch();
            _save();
        }
    }

    private IReadOnlyList<int[]> Plan(int epoch) => BatchPlanner.Shuffled(_lengths, _options.BatchSize, _request.Seed, epoch);

    private void TrainEpoch()
    {
        var plan = Plan(_state.Epoch);
        var done = _state.StepInEpoch * _options.GradientAccumulationSteps;
        var groups = plan.Skip(done).Chunk(_options.GradientAccumulationSteps);
        _reports.EpochStarts();
        using var queue = new BatchQueue(_request.Train, [.. plan.Skip(done)], _request.Task, _model.Config.PadTokenId, _model.Device);
        foreach (var group in groups)
        {
            _options.CancellationToken.ThrowIfCancellationRequested();
            var started = Stopwatch.GetTimestamp();
            Step(queue, group);
            _reports.StepDone(_rate.At(_state.Step - 1));
            _state.EpochSeconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
            if (_options.CheckpointEverySteps is int every && _state.Step % every == 0 && _state.StepInEpoch < _stepsPerEpoch)
            {
                CheckParameters(); // a diverged state is not worth going on from
                _save();
            }
            _request.OnStep?.Invoke(_state.Step);
        }
    }

    /// <summary>One optimiser step over the batches of a group, together weighted as one batch would be.</summary>
    private void Step(BatchQueue queue, int[][] group)
    {
        using var scope = NewDisposeScope();
        using var dropout = DropoutSource.Create(SeededRandom.Hash(_request.Seed, $"dropout/{_state.Step}"), _model.Device);
        var context = new ForwardContext { Dropout = dropout };
        var weight = group.Sum(rows => BatchQueue.WeightOf(_request.Train, rows));
        _optimizer.ZeroGradient();
        for (int i = 0; i < group.Length; i++)
        {
            using var batchScope = NewDisposeScope();
            using var batch = queue.Take();
            _parameters.Bind();
            var losses = _request.Task.RowLosses(_model.forward(batch.Inputs, context), batch.Targets);
            var sum = batch.Weights is null ? losses.sum() : (losses * batch.Weights).sum();
            sum.mul(weight > 0 ? 1 / weight : 0).backward();
            using (no_grad())
                _state.LossSum.add_(sum.detach());
        }
        GradientClipping.Apply(_parameters, _options.MaxGradientNorm);
        _preconditioner?.Apply();
        _optimizer.Step(_rate.At(_state.Step));
        _state.WeightSum += weight;
        _state.Step++;
        _state.StepInEpoch++;
    }

    private void CloseEpoch()
    {
        var started = Stopwatch.GetTimestamp();
        var trainLoss = _reports.EpochLoss();
        CheckParameters();
        _state.EpochSeconds += Stopwatch.GetElapsedTime(started).TotalSeconds; // what the device still had to do
        var task = _request.Task;
        var metrics = _request.Validation is null ? null : Validate(_request.Validation);
        var epoch = new EpochHistory
        {
            Epoch = _state.Epoch,
            TrainLoss = trainLoss,
            ValidationLoss = metrics is null ? null : task.LossOf(metrics),
            Metrics = metrics,
            LearningRate = _rate.At(_state.Step - 1),
            Seconds = _state.EpochSeconds,
            SamplesPerSecond = _request.Train.Count / _state.EpochSeconds,
        };
        var metric = metrics is null ? double.NaN : task.MetricOf(metrics);
        if (metrics is null || _state.Best is null || task.IsBetter(metric, _state.BestMetric))
            _state.Keep(_state.Epoch, metric, _parameters.Flat);
        _state.Epochs.Add(epoch);
        _reports.EpochDone(epoch);

        _state.StoppedEarly = metrics is not null && _state.Epoch < _options.MaxEpochs
            && _options.EarlyStoppingPatience is int patience && _state.Epoch - _state.BestEpoch >= patience;
        _state.Finished = _state.StoppedEarly || _state.Epoch >= _options.MaxEpochs;
        _state.NextEpoch();
    }

    private EpochMetrics Validate(TextDataset data)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _parameters.Bind();
        var logits = Validation.Logits(_model, data, _request.Task, _options.BatchSize, done =>
        {
            _options.CancellationToken.ThrowIfCancellationRequested();
            _reports.Validating(done, data.Count);
        });
        var metrics = _request.Task.Evaluate(logits, data.Labels, data.Weights);
        return double.IsFinite(_request.Task.LossOf(metrics)) ? metrics
            : throw TrainingDivergedException.After(_state.Step, "The validation loss is");
    }

    private void CheckParameters()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (!_parameters.Flat.isfinite().all().item<bool>())
            throw TrainingDivergedException.After(_state.Step, "A trained parameter is");
    }
}
