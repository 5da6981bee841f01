using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit.Tests.Persistence.EarlierVersions;

/// <summary>A training run of an earlier version: its options, and how the model that it saved scored then.</summary>
internal sealed record StoredRun
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    /// <summary>The name of its files.</summary>
    public required string Name { get; init; }

    /// <summary>multiclass, binary, regression or multilabel.</summary>
    public string Task { get; init; } = "multiclass";

    public string Initialization { get; init; } = "kaiming";

    public string Method { get; init; } = "lora";

    public string Targets { get; init; } = "query,value";

    public bool IsMini { get; init; }

    public bool IsPair { get; init; }

    public bool IsBalanced { get; init; }

    public bool UseDora { get; init; }

    public bool RankStabilized { get; init; }

    public bool HasPatterns { get; init; }

    public double LoraDropout { get; init; }

    public double LoraPlusRatio { get; init; } = 1;

    public GradientPreconditioning Preconditioning { get; init; }

    public BaseQuantization Quantization { get; init; }

    /// <summary>What the saved model says of itself, as text.</summary>
    public string FineTuning { get; init; } = "";

    /// <summary>The scores of <see cref="StoredRows.Scored"/>.</summary>
    public float[][] Scores { get; init; } = [];

    /// <summary>Of the PEFT folder read back; null where the model has none.</summary>
    public float[][]? PeftScores { get; init; }

    /// <summary>Of the adapter in the library; null where it is not in there.</summary>
    public float[][]? LibraryScores { get; init; }

    public static IReadOnlyList<StoredRun> Read(string path) => JsonSerializer.Deserialize<StoredRun[]>(File.ReadAllText(path), Json)!;

    public static void Write(string path, IEnumerable<StoredRun> runs) =>
        File.WriteAllText(path, $"[\n{string.Join(",\n", runs.Select(r => JsonSerializer.Serialize(r, Json)))}\n]\n");

    /// <summary>Trains, or trains on from a checkpoint.</summary>
    public ITransformer Fit(RobertaCheckpoint baseModel, string? checkpoints, IProgress<TrainingProgress>? progress = null)
    {
        var ml = new MLContext(seed: 1);
        var view = ml.Data.LoadFromEnumerable(StoredRows.Trained);
        return Task switch
        {
            "binary" => ml.BinaryClassification.Trainers.LoraTextClassification(
                Options(new LoraBinaryTextClassificationTrainer.Options { ClassWeights = Weights, LabelColumnName = nameof(StoredRows.Row.IsSport) })).Fit(view),
            "regression" => ml.Regression.Trainers.LoraTextRegression(
                Options(new LoraTextRegressionTrainer.Options { LabelColumnName = nameof(StoredRows.Row.Value) })).Fit(view),
            "multilabel" => ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(
                Options(new LoraMultiLabelTextClassificationTrainer.Options { ClassWeights = Weights, LabelColumnName = nameof(StoredRows.Row.Topics) })).Fit(view),
            _ => ml.Transforms.Conversion.MapValueToKey("Label")
                .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Options(new LoraTextClassificationTrainer.Options { ClassWeights = Weights })))
                .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(view),
        };

        // Every option that a later version might give another default.
        T Options<T>(T options)
            where T : LoraTrainerOptions
        {
            (options.BaseModel, options.CheckpointDirectory, options.CheckpointEverySteps, options.Progress) = (baseModel, checkpoints, checkpoints is null ? null : 3, progress);
            (options.Initialization, options.Method) = (Then(Initialization), FineTuningMethod.Parse(Method));
            (options.Rank, options.Alpha, options.TargetModules) = (IsMini ? 2 : 4, 8, TargetModules.Parse(Targets));
            (options.UseDora, options.RankStabilized, options.LoraDropout) = (UseDora, RankStabilized, LoraDropout);
            if (HasPatterns)
                (options.RankPattern, options.AlphaPattern, options.LayersToTransform) = (new Dictionary<string, int> { ["query"] = 2 }, new Dictionary<string, double> { ["value"] = 6 }, [1]);
            (options.MaxEpochs, options.BatchSize, options.GradientAccumulationSteps, options.InitialLearningRate) = (2, 4, 1, 1e-2);
            (options.LearningRateSchedule, options.WarmupRatio, options.WeightDecay, options.MaxGradientNorm) = (LearningRateSchedule.Linear, 0.06, 0.01, 1);
            (options.LoraPlusRatio, options.GradientPreconditioning, options.PreconditioningDamping) = (LoraPlusRatio, Preconditioning, 1e-2);
            (options.BaseQuantization, options.Precision, options.Seed) = (Quantization, Precision.Float32, 3);
            options.Text2ColumnName = IsPair ? "Text2" : null;
            options.ExampleWeightColumnName = IsPair ? "Weight" : null;
            return options;
        }
    }

    /// <summary>How a folder with this run's adapter is read.</summary>
    public PeftAdapterOptions PeftOptions(RobertaCheckpoint? baseModel) => new()
    {
        BaseModel = baseModel,
        Task = Task switch { "binary" => PeftTask.Binary, "regression" => PeftTask.Regression, _ => PeftTask.Multiclass },
        Text2ColumnName = IsPair ? "Text2" : null,
    };

    /// <summary>The scores of <see cref="StoredRows.Scored"/> by a model.</summary>
    public static float[][] ScoresOf(ITransformer model)
    {
        var scored = model.Transform(new MLContext().Data.LoadFromEnumerable(StoredRows.Scored));
        return scored.Schema["Score"].Type is VectorDataViewType
            ? [.. scored.GetColumn<float[]>("Score")]
            : [.. scored.GetColumn<float>("Score").Select(s => new[] { s })];
    }

    /// <summary>The scores of <see cref="StoredRows.Scored"/> by this run's adapter of a library.</summary>
    public float[][] ScoresOf(AdapterLibrary library) =>
        [.. library.Predict(StoredRows.Scored.Select(r => new AdapterRequest(Name, r.Text, IsPair ? r.Text2 : null))).Select(p => p.Score.ToArray())];

    private ClassWeights Weights => IsBalanced ? ClassWeights.Balanced : ClassWeights.None;

    /// <summary>What the text meant to version 0.1.0: a setting that it does not give has the value of then.</summary>
    private static LoraInitialization Then(string text)
    {
        var settings = LoraInitialization.Parse(text).ToJson();
        foreach (var key in settings.Select(s => s.Key).Where(k => k != "name" && !text.Contains($"{k}=", StringComparison.OrdinalIgnoreCase)).ToArray())
            settings.Remove(key);
        return InitializationRegistry.FromJson(settings);
    }
}
