using TorchSharp;

namespace Microsoft.ML.LoraInit;

/// <summary>What an adapter folder does not say and <see cref="PeftAdapter.Load"/> must be told.</summary>
public sealed class PeftAdapterOptions
{
    /// <summary>What the adapter was trained for. Default multiclass.</summary>
    public PeftTask Task { get; set; } = PeftTask.Multiclass;

    /// <summary>
    /// The base that the adapter was trained on; null (the default) takes the folder's <c>base_model_name_or_path</c>, as
    /// <see cref="RobertaCheckpoint.Parse"/> understands it: a hub id is downloaded.
    /// </summary>
    public RobertaCheckpoint? BaseModel { get; set; }

    /// <summary>
    /// Names of the classes in the order of the logits (<c>id2label</c> in Python), for multiclass alone; null (the default)
    /// leaves classes without names.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; set; }

    /// <summary>The text column. Default <c>Text</c>.</summary>
    public string TextColumnName { get; set; } = "Text";

    /// <summary>The second text of a pair, or null (the default) for single texts.</summary>
    public string? Text2ColumnName { get; set; }

    /// <summary>The score column written. Default <c>Score</c>.</summary>
    public string ScoreColumnName { get; set; } = "Score";

    /// <summary>The column of the predicted label written; not for regression. Default <c>PredictedLabel</c>.</summary>
    public string PredictedLabelColumnName { get; set; } = "PredictedLabel";

    /// <summary>The column of the probability of true written; for binary alone. Default <c>Probability</c>.</summary>
    public string ProbabilityColumnName { get; set; } = "Probability";

    /// <summary>Tokens a row at most, special tokens included; null (the default) for the model's maximum.</summary>
    public int? MaxLength { get; set; }

    /// <summary>fp32 or bf16 for the merged encoder. Default: bf16 on a GPU, fp32 on a CPU.</summary>
    public Precision Precision { get; set; } = Precision.Auto;

    /// <summary>Where to score; null (the default) for the CPU.</summary>
    public torch.Device? Device { get; set; }

    /// <summary>What a saved model contains; null (the default) as for the trainers.</summary>
    public ModelSaveMode? SaveMode { get; set; }

    /// <summary>Reports of a download, or null.</summary>
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Stops a download.</summary>
    public CancellationToken CancellationToken { get; set; }
}

/// <summary>What a PEFT adapter for sequence classification was trained for.</summary>
public enum PeftTask
{
    /// <summary>One of several classes: a logit each.</summary>
    Multiclass,

    /// <summary>False or true: one logit, or two (false, true), of which the model keeps the difference.</summary>
    Binary,

    /// <summary>A number: one output.</summary>
    Regression,
}
