namespace Microsoft.ML.LoraInit;

/// <summary>Where a pre-trained RoBERTa comes from.</summary>
public abstract class RobertaCheckpoint
{
    private protected RobertaCheckpoint()
    {
    }

    /// <summary>The embedded model of 5.4 M parameters (package Microsoft.ML.LoraInit.Data.RobertaMini): no download.</summary>
    public static RobertaCheckpoint Mini => throw new NotImplementedException();

    /// <summary>What identifies the source: <c>mini</c>, a directory, or a hub id.</summary>
    public abstract string Id { get; }
}
