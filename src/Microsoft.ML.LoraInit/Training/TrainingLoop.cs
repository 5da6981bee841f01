using System.Diagnostics;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using Microsoft.ML.LoraInit.Training.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// Epochs of optimiser steps, each followed by validation. Nothing in an epoch waits for the device but the loss
/// reports; order and dropout come from the seed, epoch and step alone, so a run goes on from any step exactly.
/// </summary>
internal sealed class TrainingLoop
{
    private const int ProbedRows = 64;

    private readonly FineTuningRequest _request;
    private readonly ScheduleSettings _schedule;
    private readonly RobertaClassifier _model;
    private readonly TrainableParameters _parameters;
    private readonly TrainingStep _step;
    private readonly TrainingState _state;
    private readonly LoopReports _reports;
    private readonly LearningRate _rate;
    private readonly int[] _lengths;
    private readonly int _stepsPerEpoch;
    private readonly Action _save;

    /// <param name="parts">Run, model, parameters, optimiser and state, fresh or resumed.</param>
    /// <param name="step">One optimiser step over them.</param>
    /// <param name="reporter">Receives progress.</param>
    /// <param name="save">Writes a checkpoint of all that.</param>
    public TrainingLoop(StepParts parts, TrainingStep step, ProgressReporter reporter, Action save)
    {
        var (request, state) = (parts.Request, parts.State);
        _request = request;
        _schedule = request.Settings.Schedule;
        _model = parts.Model;
        _parameters = parts.Parameters;
        _step = step;
        _state = state;
        _save = save;
        _lengths = [.. request.Train.Texts.Select(t => t.Length)];
        _stepsPerEpoch = StepsPerEpoch(_lengths.Length, _schedule);
        var total = (long)_stepsPerEpoch * _schedule.MaxEpochs;
        _rate = LearningRate.WithWarmupRatio(_schedule.LearningRateSchedule, _schedule.InitialLearningRate, _schedule.WarmupRatio, total);
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

    /// <summary>Optimiser steps of one epoch.</summary>
    public static int StepsPerEpoch(int rows, ScheduleSettings schedule) =>
        BatchPlanner.Count(BatchPlanner.Count(rows, schedule.BatchSize), schedule.GradientAccumulationSteps);

    private IReadOnlyList<int[]> Plan(int epoch) => BatchPlanner.Shuffled(_lengths, _schedule.BatchSize, _request.Seed, epoch);

    private void TrainEpoch()
    {
        var plan = Plan(_state.Epoch);
        var done = _state.StepInEpoch * _schedule.GradientAccumulationSteps;
        var groups = plan.Skip(done).Chunk(_schedule.GradientAccumulationSteps);
        _reports.EpochStarts();
        using var batches = _step.Open([.. plan.Skip(done)]);
        foreach (var group in groups)
        {
            _request.CancellationToken.ThrowIfCancellationRequested();
            CudaGate.StepAside();
            var started = Stopwatch.GetTimestamp();
            _step.Run(batches, group, _rate.At(_state.Step));
            _reports.StepDone(_rate.At(_state.Step - 1));
            _state.EpochSeconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
            if (_request.Settings.Checkpoints?.EverySteps is int every && _state.Step % every == 0 && _state.StepInEpoch < _stepsPerEpoch)
            {
                CheckParameters(); // a diverged state is not worth going on from
                _save();
            }
            _request.OnStep?.Invoke(_state.Step);
        }
    }

    private void CloseEpoch()
    {
        var started = Stopwatch.GetTimestamp();
        var trainLoss = _reports.EpochLoss();
        CheckParameters();
        _state.EpochSeconds += Stopwatch.GetElapsedTime(started).TotalSeconds; // what the device still had to do
        var task = _request.Task;
        var metrics = _request.Validation is null ? null : Validate(_request.Validation);
        if (metrics is null && _state.Epoch >= _schedule.MaxEpochs)
            Probe();
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

        _state.StoppedEarly = metrics is not null && _state.Epoch < _schedule.MaxEpochs
            && _schedule.EarlyStoppingPatience is int patience && _state.Epoch - _state.BestEpoch >= patience;
        _state.Finished = _state.StoppedEarly || _state.Epoch >= _schedule.MaxEpochs;
        _state.NextEpoch();
    }

    private EpochMetrics Validate(TextDataset data)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _parameters.Bind();
        var logits = Validation.Logits(_model, data.Expanded(), _request.Task, _schedule.BatchSize, done =>
        {
            _request.CancellationToken.ThrowIfCancellationRequested();
            CudaGate.StepAside();
            _reports.Validating(done, data.Count);
        });
        var metrics = _request.Task.Evaluate(data.Combine(logits), data.Labels, data.Weights);
        return double.IsFinite(_request.Task.LossOf(metrics)) ? metrics
            : throw TrainingDivergedException.After(_state.Step, "The validation loss is", _request.Train.Weights);
    }

    // Parameters can be finite and what the model makes of them not: without validation nothing else would tell.
    private void Probe()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _parameters.Bind();
        var rows = Enumerable.Range(0, Math.Min(ProbedRows, _request.Train.Count)).ToArray();
        var logits = Validation.Logits(_model, _request.Train.Take(rows), _request.Task, _schedule.BatchSize, _ => CudaGate.StepAside());
        if (!logits.All(row => row.All(float.IsFinite)))
            throw TrainingDivergedException.After(_state.Step, "What the model makes of training rows is", _request.Train.Weights);
    }

    private void CheckParameters()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (!FiniteNumbers.Hold(_parameters.Flat))
            throw TrainingDivergedException.After(_state.Step, "A trained parameter is", _request.Train.Weights);
    }
}
