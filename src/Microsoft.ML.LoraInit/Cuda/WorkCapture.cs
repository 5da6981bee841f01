namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>Records device work once, to run it again and again as one call.</summary>
internal abstract class WorkCapture
{
    /// <summary>
    /// Records what an action queues on the device; nothing runs yet. What the action reads must lie at the same place at
    /// every replay.
    /// </summary>
    /// <param name="work">Queues work; must not wait for the device.</param>
    /// <param name="why">Why it cannot be recorded; null on success, and where it may be at another time.</param>
    /// <returns>The recording, which the caller disposes; null where the work cannot be recorded.</returns>
    public abstract CapturedWork? TryCapture(Action work, out string? why);
}

/// <summary>Recorded device work.</summary>
internal abstract class CapturedWork : IDisposable
{
    /// <summary>Queues all of it.</summary>
    public abstract void Replay();

    public abstract void Dispose();
}
