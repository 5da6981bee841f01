namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>A row of the measured pipelines.</summary>
internal sealed class TextPairRow
{
    public string Text { get; set; } = "";

    public string Text2 { get; set; } = "";

    public bool Label { get; set; }
}

/// <summary>What a prediction gives.</summary>
internal sealed class PredictedRow
{
    public bool PredictedLabel { get; set; }

    public float Probability { get; set; }
}
