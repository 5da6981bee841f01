namespace Microsoft.ML.LoraInit.Samples.Web.Training;

/// <summary>
/// Trains the model of the quickstart where its file is not there yet, while the service already says that it is doing so.
/// The predictor finds the file when it is done.
/// </summary>
internal sealed partial class FirstModel(WebSettings settings, TrainingStatus status, ILogger<FirstModel> logger) : BackgroundService
{
    private const string Data = "support-intents.train.tsv";

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        File.Exists(settings.Models[0].Path) ? Task.CompletedTask : Task.Run(() => Train(stoppingToken), CancellationToken.None);

    private void Train(CancellationToken cancellation)
    {
        status.Text = "The first model is about to be trained.";
        try
        {
            Begun(settings.Models[0].Path);
            var ml = new MLContext(seed: 0);
            var rows = ml.Data.LoadFromEnumerable(ReadRows());
            var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
                .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
                {
                    TextColumnName = "Text",
                    BaseModel = RobertaCheckpoint.Mini,
                    Rank = 8,
                    Alpha = 16,
                    TargetModules = TargetModules.AllLinear,
                    Initialization = LoraInitialization.Kaiming(),
                    MaxEpochs = 6,
                    BatchSize = 16,
                    InitialLearningRate = 2e-3,
                    CancellationToken = cancellation,
                    Progress = new Progress<TrainingProgress>(p => status.Text = p.Epoch > 0
                        ? $"The first model is being trained: epoch {p.Epoch} of {p.MaxEpochs}."
                        : "The first model's training is being prepared."),
                }))
                .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
            using var model = pipeline.Fit(rows);
            cancellation.ThrowIfCancellationRequested(); // A stopped run returns the best so far; the next start begins anew.
            ml.Model.SaveWhole(model, rows.Schema, settings.Models[0].Path);
            status.Text = null;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The service is being stopped.
        }
        catch (Exception e)
        {
            status.Text = "The first model could not be trained. The log says why.";
            Failed(e);
        }
    }

    private static IEnumerable<Request> ReadRows()
    {
        using var stream = typeof(FirstModel).Assembly.GetManifestResourceStream(Data)!;
        using var reader = new StreamReader(stream);
        reader.ReadLine(); // The header.
        var rows = new List<Request>();
        while (reader.ReadLine() is { } line)
            if (line.Split('\t') is [var label, var text])
                rows.Add(new Request { Label = label, Text = text });
        return rows;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "There is no {Path} yet: training a first model, which takes half a minute")]
    private partial void Begun(string path);

    [LoggerMessage(Level = LogLevel.Error, Message = "The first model could not be trained")]
    private partial void Failed(Exception exception);
}
