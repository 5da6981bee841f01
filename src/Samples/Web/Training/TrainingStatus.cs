namespace Microsoft.ML.LoraInit.Samples.Web.Training;

/// <summary>How far the first model's training is, for whoever asks for the health.</summary>
internal sealed class TrainingStatus
{
    private volatile string? _text;

    /// <summary>A sentence; null where nothing is being trained.</summary>
    public string? Text
    {
        get => _text;
        set => _text = value;
    }
}
