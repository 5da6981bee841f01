namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A window of rows on its way to its scores. Used by one thread; disposing of it gives up what is not yet done.</summary>
internal abstract class ScoringRun : IDisposable
{
    /// <summary>Hands the rows to a device that computes on its own, where there is one. Errors may come here or from <see cref="Take"/>.</summary>
    public abstract void Advance();

    /// <summary>A row of logits for each text, in their order; waits for them. Called once.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public abstract float[][] Take();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
