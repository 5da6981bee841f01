using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>What <c>--json</c> writes. Keys stay the same from run to run; metrics that a task does not have are left out.</summary>
internal sealed record RunReport
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions MetricOptions = new(Options) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public required string Task { get; init; }

    /// <summary>The initialisation's name; for methods without LoRA the method's.</summary>
    public required string? Init { get; init; }

    public required int? Rank { get; init; }

    public required double? Alpha { get; init; }

    public required int? Epochs { get; init; }

    public required int? BestEpoch { get; init; }

    public required long? TrainableParameters { get; init; }

    public required long? TotalParameters { get; init; }

    public required double? TrainSamplesPerSecond { get; init; }

    [JsonIgnore]
    public EpochMetrics Metrics { get; init; } = new();

    /// <summary>The metrics of rows with several labels each, which then stand in place of <see cref="Metrics"/>.</summary>
    [JsonIgnore]
    public MultiLabelClassificationMetrics? Labels { get; init; }

    /// <summary>What it takes to repeat the run; null where there was none.</summary>
    [JsonIgnore]
    public JsonObject? Run { get; init; }

    /// <summary>Expected calibration error and Brier score; null where there are no probabilities, or no rows.</summary>
    [JsonIgnore]
    public CalibrationFigures? Calibration { get; init; }

    /// <summary>Of a run that has just ended.</summary>
    public static RunReport Create(string task, LoraTrainerOptions options, TrainingHistory history, Evaluation evaluation)
    {
        bool lora = options.Method == FineTuningMethod.Lora();
        return new()
        {
            Task = task,
            Init = lora ? options.Initialization.Name : options.Method.Name,
            Rank = lora ? options.Rank : null,
            Alpha = lora ? options.Alpha : null,
            Epochs = options.MaxEpochs,
            BestEpoch = history.BestEpoch,
            TrainableParameters = history.TrainableParameters,
            TotalParameters = history.TotalParameters,
            TrainSamplesPerSecond = history.TrainSamplesPerSecond,
            Metrics = evaluation.Metrics ?? new(),
            Labels = evaluation.Labels,
            Calibration = CalibrationFigures.Of(evaluation, history.Calibration),
        };
    }

    /// <summary>Of a saved model; what its file does not tell is null.</summary>
    public static RunReport Create(string task, LoraTextTransformer? model, Evaluation evaluation) => new()
    {
        Task = task,
        Init = model?.Initialization?.Name ?? model?.Method.Name,
        Rank = (int?)Common(model, "rank"),
        Alpha = Common(model, "alpha"),
        Epochs = model?.History.Epochs.Count,
        BestEpoch = model?.History.BestEpoch,
        TrainableParameters = model?.History.TrainableParameters,
        TotalParameters = model?.History.TotalParameters,
        TrainSamplesPerSecond = model?.History.TrainSamplesPerSecond,
        Metrics = evaluation.Metrics ?? new(),
        Labels = evaluation.Labels,
        Calibration = CalibrationFigures.Of(evaluation, null) is { } figures ? figures with { Temperature = model?.Temperature, Bend = model?.TemperatureBend } : null,
    };

    public string ToJson()
    {
        var json = JsonSerializer.SerializeToNode(this, Options)!.AsObject();
        json["metrics"] = Labels is null ? JsonSerializer.SerializeToNode(Defined(Metrics), MetricOptions) : MultiLabelReport.ToJson(Labels);
        Calibration?.AddTo(json["metrics"]!.AsObject());
        if (Labels is not null)
            json["labels"] = MultiLabelReport.PerLabel(Labels);
        if (Run is not null)
            json["run"] = Run.DeepClone();
        return json.ToJsonString(Options) + "\n";
    }

    /// <summary>What all adapters have in common, or null where they differ.</summary>
    private static double? Common(LoraTextTransformer? model, string setting) =>
        model?.FineTuning["adapters"]?.AsArray().Select(a => (double?)a?[setting]).Distinct().ToArray() is [var value] ? value : null;

    // A correlation with a constant is NaN, which JSON cannot say: it does not apply.
    private static EpochMetrics Defined(EpochMetrics metrics) => metrics with
    {
        Pearson = metrics.Pearson is double.NaN ? null : metrics.Pearson,
        Spearman = metrics.Spearman is double.NaN ? null : metrics.Spearman,
    };

    public void Write(string path) => AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(ToJson())));
}
