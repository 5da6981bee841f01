namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// Keeps a process's training runs from spoiling each other's captures: while a thread captures, calls by others that wait for
/// the device (a library's set-up, a decomposition, a module's loading) make the capture invalid. Runs work inside the gate and
/// step aside between calls where somebody wants to capture.
/// </summary>
internal static class CudaGate
{
    private static readonly ReaderWriterLockSlim Runs = new(LockRecursionPolicy.NoRecursion);

    /// <summary>Enters the gate until disposal, on this thread; null where it is inside already, as in a run that a run's callback starts.</summary>
    public static IDisposable? Enter()
    {
        if (Runs.IsReadLockHeld)
            return null;
        Runs.EnterReadLock();
        return new Inside();
    }

    /// <summary>Lets captures that wait go first. Between calls to the device, by a thread inside; does nothing elsewhere.</summary>
    public static void StepAside()
    {
        if (Runs.WaitingWriteCount == 0 || !Runs.IsReadLockHeld)
            return;
        Runs.ExitReadLock();
        Runs.EnterReadLock(); // after those who wait to write
    }

    /// <summary>Waits for another run outside the gate: within it, that run might wait for this one to step aside.</summary>
    public static void Wait(Action wait)
    {
        var inside = Runs.IsReadLockHeld;
        if (inside)
            Runs.ExitReadLock();
        try
        {
            wait();
        }
        finally
        {
            if (inside)
                Runs.EnterReadLock();
        }
    }

    /// <summary>Does something while no other run works.</summary>
    public static T Alone<T>(Func<T> work)
    {
        var inside = Runs.IsReadLockHeld;
        if (inside)
            Runs.ExitReadLock();
        try
        {
            Runs.EnterWriteLock();
            try
            {
                return work();
            }
            finally
            {
                Runs.ExitWriteLock();
            }
        }
        finally
        {
            if (inside)
                Runs.EnterReadLock();
        }
    }

    /// <summary>Does something if no run works now, and keeps runs from starting meanwhile.</summary>
    /// <returns>Whether it was done.</returns>
    public static bool TryAlone(Action work)
    {
        if (Runs.IsReadLockHeld || !Runs.TryEnterWriteLock(0))
            return false;
        try
        {
            work();
        }
        finally
        {
            Runs.ExitWriteLock();
        }
        return true;
    }

    private sealed class Inside : IDisposable
    {
        public void Dispose() => Runs.ExitReadLock();
    }
}
