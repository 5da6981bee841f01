using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Glue;

/// <summary>
/// Many fine-tunings over one base model: its weights are read once a device and precision, each task's rows are read
/// and tokenised once, whatever the number of runs. Runs may be concurrent.
/// </summary>
internal sealed class GlueSession : IDisposable
{
    private readonly MLContext _ml;
    private readonly RobertaCheckpoint _checkpoint;
    private readonly string _directory;
    private readonly CheckpointFiles _files;
    private readonly RobertaTokenizer _tokenizer;
    private readonly ConcurrentDictionary<(string Device, ScalarType Type, BaseQuantization Quantization), Lazy<BaseWeights>> _weights = new();
    private readonly ConcurrentDictionary<(string Task, int MaxLength, GlueLoadOptions Options), Lazy<Rows>> _rows = new();

    /// <param name="ml">Makes the views that the rows are read through.</param>
    /// <param name="checkpoint">The base model.</param>
    /// <param name="directory">The folder with the tasks' folders.</param>
    /// <param name="cancellationToken">Ends a download.</param>
    public GlueSession(MLContext ml, RobertaCheckpoint checkpoint, string directory, CancellationToken cancellationToken)
    {
        _ml = ml;
        _checkpoint = checkpoint;
        _directory = directory;
        _files = checkpoint.Open(null, cancellationToken);
        using var vocabulary = _files.OpenVocabulary();
        using var merges = _files.OpenMerges();
        _tokenizer = RobertaTokenizer.Create(vocabulary, merges, _files.Config);
    }

    public BaseIdentity Identity => _files.Identity;

    /// <summary>Encoder layers of the base.</summary>
    public int Layers => _files.Config.Layers;

    /// <summary>Refuses a method whose settings do not fit the base.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    public void Check(FineTuningMethod method) => method.Validate(_files.Config);

    /// <summary>Tokens that the base takes at most.</summary>
    public int MaxLength => _files.Config.MaxLength;

    /// <summary>Reads a task's rows, so that what is wrong with its files shows before any training.</summary>
    /// <exception cref="GlueDataException">A file cannot be used.</exception>
    public GlueData Load(GlueTask task, int? maxLength, GlueLoadOptions options, CancellationToken cancellationToken) =>
        Read(task, maxLength, options, cancellationToken).Data;

    /// <summary>Trains and validates after each epoch.</summary>
    /// <param name="task">What is learnt.</param>
    /// <param name="options">How; columns, data and base model in them are not looked at. Device and Seed must be set.</param>
    /// <param name="load">Which rows.</param>
    /// <param name="adapterFolder">Where the adapter is written, as PEFT does; null for nowhere. Nothing is written of a run that was cancelled.</param>
    public TrainingHistory Train(GlueTask task, LoraTrainerOptions options, GlueLoadOptions load, string? adapterFolder = null)
    {
        LoraTrainerOptionsValidator.Check(options, [options.ScoreColumnName]);
        TextTask learnt = task.IsRegression ? new RegressionTask() : new MulticlassTask(task.Labels.Count, task.Labels)
        {
            Metric = task.Metric == GlueMetric.Matthews ? ClassificationValidationMetric.Matthews : ClassificationValidationMetric.Accuracy,
        };
        var run = options.Clone();
        run.BaseModel = _checkpoint;
        TextTrainerRun.Check(run, _files.Config, learnt.OutputCount);
        var rows = Read(task, run.MaxLength, load, run.CancellationToken);
        using var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Options = run,
            Task = learnt,
            Train = rows.Train,
            Validation = rows.Validation,
            Base = Weights(run),
            Seed = run.Seed!.Value,
        });
        if (adapterFolder is not null && !result.History.Cancelled)
            LoraTextTransformerExport.Write(result.State, _checkpoint, module => Weights(run).Original($"{module}.weight").cpu(), adapterFolder);
        return result.History;
    }

    public void Dispose()
    {
        foreach (var weights in _weights.Values.Where(w => w.IsValueCreated))
            weights.Value.Dispose();
        _files.Dispose();
    }

    private BaseWeights Weights(LoraTrainerOptions options)
    {
        var device = options.Device!;
        var type = ComputeDevice.BaseType(options.Precision, device);
        return _weights.GetOrAdd((device.ToString(), type, options.BaseQuantization), _ => new(() =>
        {
            lock (_files)
                return _files.LoadWeights(device, type, options.BaseQuantization);
        })).Value;
    }

    private Rows Read(GlueTask task, int? maxLength, GlueLoadOptions options, CancellationToken cancellationToken)
    {
        if (maxLength > _files.Config.MaxLength)
            throw new ArgumentException($"A maximum length of {maxLength} is more than the {_files.Config.MaxLength} tokens of '{Identity.Id}'.");
        var length = maxLength ?? _files.Config.MaxLength;
        var key = (task.Name, length, options);
        var lazy = _rows.GetOrAdd(key, _ => new(() =>
        {
            var data = task.Load(_ml, _directory, options);
            var columns = new TextColumns("Text", task.IsPair ? "Text2" : null, "Label");
            var kind = task.IsRegression ? LabelKind.Single : LabelKind.Key;
            return new(
                data,
                TextDatasetReader.Read(data.Train, columns, kind, _tokenizer, length, cancellationToken: cancellationToken),
                TextDatasetReader.Read(data.Validation, columns, kind, _tokenizer, length, cancellationToken: cancellationToken, training: false));
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

    private sealed record Rows(GlueData Data, TextDataset Train, TextDataset Validation);
}
