using System.Diagnostics;
using Spectre.Console;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Shows <see cref="TrainingProgress"/> while a piece of work runs: live bars, or lines where output goes to a file.</summary>
internal static class ProgressDisplay
{
    public static T Show<T>(Terminal terminal, Func<IProgress<TrainingProgress>, T> work)
    {
        if (!terminal.Live)
        {
            var lines = new PlainProgress(terminal.Output);
            var made = work(lines);
            lines.Flush();
            return made;
        }
        return terminal.Console.Progress()
            .AutoClear(false)
            .Columns(new SpinnerColumn(), new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = terminal.Width < 80 ? 8 : 30 }, new PercentageColumn())
            .Start(context =>
            {
                var progress = new LiveProgress(context, terminal.Console);
                var result = work(progress);
                progress.Flush();
                progress.Complete();
                return result;
            });
    }

    /// <summary>What stands beside the bar and in the lines.</summary>
    internal static string Describe(TrainingProgress report)
    {
        List<string> parts = [report.Phase switch
        {
            TrainingPhase.LoadingModel => "Loading the model",
            TrainingPhase.Tokenizing => "Tokenising",
            TrainingPhase.Initializing => "Initialising the adapters",
            TrainingPhase.Training => $"Epoch {report.Epoch}/{report.MaxEpochs}",
            TrainingPhase.Validating => $"Validating epoch {report.Epoch}/{report.MaxEpochs}",
            _ => "Building the model",
        }];
        if (report.Phase is TrainingPhase.Training or TrainingPhase.Validating)
        {
            if (report.Loss is { } loss)
                parts.Add($"loss {loss:0.000}");
            if (report.Metric is { } metric)
                parts.Add($"{report.MetricName} {metric:0.000;-0.000;0.000}");
            if (report.SamplesPerSecond is { } speed)
                parts.Add($"{speed:0} samples/s");
            if (report.Remaining is { } left && left > TimeSpan.Zero)
                parts.Add($"{(int)left.TotalMinutes}:{left.Seconds:00} left");
        }
        else if (!string.IsNullOrEmpty(report.Message))
        {
            parts.Add(report.Message);
        }
        return string.Join(" · ", parts);
    }

    private sealed class LiveProgress(ProgressContext context, IAnsiConsole console) : IProgress<TrainingProgress>
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<TrainingPhase, ProgressTask> _tasks = [];
        private readonly EpochLines _epochs = new();

        public void Report(TrainingProgress value)
        {
            lock (_gate)
            {
                Show(_epochs.Next(value));
                // Validation has no bar of its own: it would jump between every two epochs.
                var phase = value.Phase == TrainingPhase.Validating ? TrainingPhase.Training : value.Phase;
                if (!_tasks.TryGetValue(phase, out var task))
                {
                    Complete();
                    _tasks[phase] = task = context.AddTask(Markup.Escape(Describe(value)));
                }
                task.Description = Markup.Escape(Describe(value));
                if (value.Phase == TrainingPhase.Validating)
                    return;
                task.IsIndeterminate = value.TotalSteps <= 0;
                task.MaxValue = Math.Max(1, value.TotalSteps);
                task.Value = Math.Min(value.Step, value.TotalSteps);
            }
        }

        // Above the bars, where it stays.
        public void Flush() => Show(_epochs.Take());

        private void Show(string? line)
        {
            if (line is not null)
                console.MarkupLine($"  {Markup.Escape(line)}");
        }

        public void Complete()
        {
            foreach (var task in _tasks.Values.Where(t => !t.IsFinished))
            {
                task.IsIndeterminate = false;
                task.Value = task.MaxValue;
                task.StopTask();
            }
        }
    }

    /// <summary>A line for each phase and each finished epoch, and one every ten seconds in between.</summary>
    private sealed class PlainProgress(TextWriter output) : IProgress<TrainingProgress>
    {
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);
        private readonly Lock _gate = new();
        private readonly Stopwatch _sinceLine = Stopwatch.StartNew();
        private TrainingPhase? _phase;
        private readonly EpochLines _epochs = new();

        public void Report(TrainingProgress value)
        {
            lock (_gate)
            {
                bool looping = value.Phase is TrainingPhase.Training or TrainingPhase.Validating;
                if (_epochs.Next(value) is { } ended)
                    Write(ended);
                if (EpochLines.IsEnd(value))
                    return;
                if (looping ? _sinceLine.Elapsed >= Pause && value.Loss is not null : value.Phase != _phase)
                    Write(Describe(value));
                _phase = value.Phase;
            }
        }

        public void Flush()
        {
            if (_epochs.Take() is { } line)
                Write(line);
        }

        private void Write(string line)
        {
            output.WriteLine(line);
            _sinceLine.Restart();
        }
    }
}
