namespace Microsoft.ML.LoraInit.Samples.Web;

/// <summary>The model's input columns. The label is part of the pipeline that trained it and stays empty here.</summary>
internal sealed class Request
{
    public string Text { get; set; } = "";

    public string Label { get; set; } = "";
}

/// <summary>The model's output columns that the service reads.</summary>
internal sealed class Answer
{
    public string PredictedLabel { get; set; } = "";

    /// <summary>A probability a class.</summary>
    public float[] Score { get; set; } = [];
}
