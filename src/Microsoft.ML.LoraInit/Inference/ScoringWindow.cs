namespace Microsoft.ML.LoraInit.Inference;

/// <summary>How far a <see cref="ScoringCursor{TRow, TResult}"/> reads ahead.</summary>
internal static class ScoringWindow
{
    /// <summary>Rows a window at most: enough for batches of like length.</summary>
    public const int Size = 512;

    /// <summary>Windows at a time: one read, one scored, one tokenised.</summary>
    public const int Depth = 3;

    /// <summary>Characters a window, beyond which it ends early.</summary>
    public const int Characters = 1 << 20;

    /// <summary>Rows of the first window: few, so that the first rows come soon and a preview computes little more than it shows.</summary>
    public const int First = 32;
}
