using Microsoft.ML.LoraInit.Training.TensorBoard;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Writes training progress as TensorBoard event files: loss, learning rate and rows per second by optimiser step, and
/// the mean loss and the validation metric by epoch; hyper-parameters where they are given.
/// </summary>
/// <example><code>
/// using var board = new TensorBoardProgress("runs/first");
/// var trainer = ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options { Progress = board });
/// </code></example>
public sealed class TensorBoardProgress : IProgress<TrainingProgress>, IDisposable
{
    private readonly Lock _lock = new();
    private readonly EventFile _file;
    private readonly IProgress<TrainingProgress>? _next;
    private int _epochWritten;

    /// <summary>Starts an event file.</summary>
    /// <param name="directory">The run's folder, made where it is missing; TensorBoard is pointed at it or at the folder above.</param>
    /// <param name="next">Given every report too, or null.</param>
    public TensorBoardProgress(string directory, IProgress<TrainingProgress>? next = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(directory);
        _file = new EventFile(directory);
        _next = next;
    }

    /// <summary>The event file.</summary>
    public string FilePath => _file.Path;

    /// <summary>Writes a report.</summary>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        lock (_lock)
        {
            if (value.Phase == TrainingPhase.Training && value.Loss is { } loss)
                _file.Add(value.Step, Scalars(("train/loss", loss), ("train/learning_rate", value.LearningRate), ("train/rows_per_second", value.SamplesPerSecond)));
            // Reports repeat the last metric; only the one at an epoch's end has a sentence, with the epoch's mean loss.
            if (value is { Phase: TrainingPhase.Training, Message: not null, Loss: { } mean } && value.Epoch > _epochWritten)
            {
                _epochWritten = value.Epoch;
                _file.Add(value.Epoch, Scalars(("epoch/loss", mean), ($"validation/{value.MetricName}", value.MetricName is null ? null : value.Metric)));
            }
        }
        _next?.Report(value);
    }

    /// <summary>Writes the run's settings, which TensorBoard's HParams page compares over runs. Call it once, before training.</summary>
    /// <param name="settings">By name; numbers and truth values as such, anything else as text.</param>
    /// <exception cref="ArgumentNullException">A name's value is null.</exception>
    public void AddHyperParameters(IEnumerable<KeyValuePair<string, object>> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        KeyValuePair<string, object>[] all = [.. settings];
        foreach (var (name, value) in all)
            ArgumentNullException.ThrowIfNull(value, name);
        lock (_lock)
            _file.AddHyperParameters(all);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static IEnumerable<KeyValuePair<string, double>> Scalars(params (string Tag, double? Value)[] scalars) =>
        scalars.Where(s => s.Value is not null).Select(s => KeyValuePair.Create(s.Tag, s.Value!.Value));
}
