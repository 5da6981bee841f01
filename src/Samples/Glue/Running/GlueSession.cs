using System.Collections.Concurrent;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>A grid's runs over one base model: each task's files are read and tokenised once, whatever the number of runs. Runs may be concurrent.</summary>
internal sealed class GlueSession : IDisposable
{
    private readonly MLContext _ml;
    private readonly string _directory;
    private readonly LoraTrainingSession _session;
    private readonly ConcurrentDictionary<(string Task, int? MaxLength, GlueLoadOptions Options), Lazy<Rows>> _rows = new();

    /// <param name="ml">Makes the views that the rows are read through.</param>
    /// <param name="checkpoint">The base model.</param>
    /// <param name="directory">The folder with the tasks' folders.</param>
    /// <param name="cancellationToken">Ends a download.</param>
    public GlueSession(MLContext ml, RobertaCheckpoint checkpoint, string directory, CancellationToken cancellationToken)
    {
        _ml = ml;
        _directory = directory;
        _session = new(ml, checkpoint, cancellationToken);
    }

    public string BaseModelSha256 => _session.BaseModelSha256;

    public BaseModelShape Shape => _session.Shape;

    /// <summary>Refuses a method whose settings do not fit the base.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    public void Check(FineTuningMethod method) => _session.Check(method);

    /// <summary>The options of the trainer that a task needs, with its columns and its metric.</summary>
    public static LoraTrainerOptions Options(GlueTask task)
    {
        LoraTrainerOptions options = task.IsRegression ? new LoraTextRegressionTrainer.Options() : new LoraTextClassificationTrainer.Options
        {
            ValidationMetric = task.Metric == GlueMetric.Matthews ? ClassificationValidationMetric.Matthews : ClassificationValidationMetric.Accuracy,
        };
        options.Text2ColumnName = task.IsPair ? "Text2" : null;
        return options;
    }

    /// <summary>Reads a task's rows and checks options for them, so that what is wrong shows before any training.</summary>
    /// <param name="task">What is to be learnt.</param>
    /// <param name="options">How, as of <see cref="Train"/>.</param>
    /// <param name="load">Which rows.</param>
    /// <exception cref="GlueDataException">A file cannot be used.</exception>
    /// <exception cref="ArgumentException">An option does not fit.</exception>
    public void Check(GlueTask task, LoraTrainerOptions options, GlueLoadOptions load) =>
        _session.Check(Read(task, options.MaxLength, load, options.CancellationToken).Prepared, options);

    /// <summary>Reads a task's rows.</summary>
    /// <exception cref="GlueDataException">A file cannot be used.</exception>
    public GlueData Load(GlueTask task, int? maxLength, GlueLoadOptions options, CancellationToken cancellationToken) =>
        Read(task, maxLength, options, cancellationToken).Data;

    /// <summary>Trains and validates after each epoch.</summary>
    /// <param name="task">What is learnt.</param>
    /// <param name="options">How: what <see cref="Options"/> made, and set.</param>
    /// <param name="load">Which rows.</param>
    /// <param name="adapterFolder">Where the adapter is written, as PEFT does; null for nowhere. Nothing is written of a run that was cancelled.</param>
    public TrainingHistory Train(GlueTask task, LoraTrainerOptions options, GlueLoadOptions load, string? adapterFolder = null)
    {
        var rows = Read(task, options.MaxLength, load, options.CancellationToken).Prepared;
        if (adapterFolder is not null)
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(adapterFolder))!);
        return _session.Train(rows, options, adapterFolder);
    }

    public void Dispose() => _session.Dispose();

    private Rows Read(GlueTask task, int? maxLength, GlueLoadOptions options, CancellationToken cancellationToken)
    {
        var key = (task.Name, maxLength, options);
        var lazy = _rows.GetOrAdd(key, _ => new(() =>
        {
            var data = task.Load(_ml, _directory, options);
            var columns = Options(task);
            columns.MaxLength = maxLength;
            columns.CancellationToken = cancellationToken;
            return new(data, _session.Prepare(data.Train, data.Validation, columns));
        }));
        try
        {
            return lazy.Value;
        }
        catch
        {
            // A Lazy keeps its exception; the files may be mended, or the run that was cancelled be another's.
            _rows.TryRemove(KeyValuePair.Create(key, lazy));
            throw;
        }
    }

    private sealed record Rows(GlueData Data, PreparedRows Prepared);
}
