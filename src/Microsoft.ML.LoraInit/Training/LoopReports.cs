using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>What the training loop tells the outside, and when: speed, loss since the last report, time left.</summary>
internal sealed class LoopReports(FineTuningRequest request, TrainingState state, ProgressReporter reporter, long totalSteps)
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly long _firstStep = state.Step;
    private readonly string _metricName = request.Task.MetricName;
    private double _reportedLoss;
    private double _reportedWeight;
    private double _startedWeight;
    private long _epochStarted;

    public void EpochStarts()
    {
        _epochStarted = Stopwatch.GetTimestamp();
        _startedWeight = state.WeightSum;
        (_reportedLoss, _reportedWeight) = (ReadLoss(), state.WeightSum);
        reporter.Report(Report(TrainingPhase.Training) with { Step = state.Step, TotalSteps = totalSteps });
    }

    /// <summary>Reads the loss from the device and reports, if a report is due.</summary>
    public void StepDone(double learningRate)
    {
        if (!reporter.Due)
            return;
        var sum = ReadLoss();
        double? loss = state.WeightSum > _reportedWeight ? (sum - _reportedLoss) / (state.WeightSum - _reportedWeight) : null;
        (_reportedLoss, _reportedWeight) = (sum, state.WeightSum);
        var left = totalSteps - state.Step;
        reporter.Report(Report(TrainingPhase.Training) with
        {
            Step = state.Step,
            TotalSteps = totalSteps,
            Loss = loss,
            LearningRate = learningRate,
            SamplesPerSecond = RowsSinceStart() / Stopwatch.GetElapsedTime(_epochStarted).TotalSeconds,
            Remaining = Stopwatch.GetElapsedTime(_started) / (state.Step - _firstStep) * left,
        });
    }

    /// <summary>The epoch's mean training loss; waits for the device.</summary>
    public double EpochLoss() => ReadLoss() / state.WeightSum;

    public void Validating(int done, int total) => reporter.ReportIfDue(() =>
        Report(TrainingPhase.Validating) with { Step = done, TotalSteps = total });

    public void EpochDone(EpochHistory epoch)
    {
        reporter.Report(Report(TrainingPhase.Training) with
        {
            Step = state.Step,
            TotalSteps = totalSteps,
            Loss = epoch.TrainLoss,
            LearningRate = epoch.LearningRate,
            SamplesPerSecond = epoch.SamplesPerSecond,
            Remaining = Stopwatch.GetElapsedTime(_started) / Math.Max(1, state.Step - _firstStep) * (totalSteps - state.Step),
            Message = Sentence(epoch),
        });
        reporter.Log(Sentence(epoch));
    }

    private TrainingProgress Report(TrainingPhase phase) => new()
    {
        Phase = phase,
        Epoch = state.Epoch,
        MaxEpochs = request.Settings.Schedule.MaxEpochs,
        MetricName = request.Validation is null ? null : _metricName,
        Metric = state.Epochs is [.., { Metrics: { } metrics }] ? request.Task.MetricOf(metrics) : null,
    };

    private string Sentence(EpochHistory epoch)
    {
        var validation = epoch.Metrics is null ? "" : string.Create(CultureInfo.InvariantCulture,
            $", validation loss {epoch.ValidationLoss:F4}, {_metricName} {request.Task.MetricOf(epoch.Metrics):F4}");
        return string.Create(CultureInfo.InvariantCulture,
            $"Epoch {epoch.Epoch}/{request.Settings.Schedule.MaxEpochs}: loss {epoch.TrainLoss:F4}{validation}, {epoch.SamplesPerSecond:F0} rows/s");
    }

    // Rows weigh 1 where there are no example weights; with weights the steps' share of the epoch stands for the rows.
    private double RowsSinceStart() => request.Train.Weights is null
        ? state.WeightSum - _startedWeight
        : (state.WeightSum - _startedWeight) / request.Train.Weights.Sum(w => (double)w) * request.Train.Count;

    private double ReadLoss()
    {
        using var scope = NewDisposeScope();
        var sum = state.LossSum.cpu().item<double>();
        return double.IsFinite(sum) ? sum : throw TrainingDivergedException.After(state.Step, "The training loss is", request.Train.Weights);
    }
}
