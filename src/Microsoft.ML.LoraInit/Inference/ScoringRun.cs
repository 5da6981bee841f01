namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A window of rows on its way to its scores. Used by one thread; disposing of it gives up what is not yet done.</summary>
internal abstract class ScoringRun<TResult> : IDisposable
{
    /// <summary>Hands the rows to a device that computes on its own, where there is one. Errors may come here or from <see cref="Take"/>.</summary>
    public virtual void Advance()
    {
    }

    /// <summary>A result for each row, in their order; waits for them. Called once.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public abstract TResult[] Take();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>Everything happens when the results are taken.</summary>
internal sealed class DeferredRun<TResult>(Func<TResult[]> score) : ScoringRun<TResult>
{
    public override TResult[] Take() => score();
}
