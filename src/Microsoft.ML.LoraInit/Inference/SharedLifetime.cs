namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Lets several threads use something that one of them may dispose of: what is used is freed when the last use ends,
/// and no use begins after <see cref="Close"/>.
/// </summary>
/// <param name="free">Called once, by the last to leave.</param>
/// <param name="name">What an <see cref="ObjectDisposedException"/> names.</param>
/// <param name="why">What it says; null for .NET's own words.</param>
internal sealed class SharedLifetime(Action free, string name, string? why = null)
{
    private int _users = 1; // The owner, until Close.
    private int _closed;

    /// <summary>Begins a use; dispose of the result to end it.</summary>
    /// <exception cref="ObjectDisposedException">It was closed.</exception>
    public Use Enter()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _users);
            if (seen == 0 || Volatile.Read(ref _closed) != 0)
                throw why is null ? new ObjectDisposedException(name) : new ObjectDisposedException(name, why);
        }
        while (Interlocked.CompareExchange(ref _users, seen + 1, seen) != seen);
        return new Use(this);
    }

    /// <summary>Ends the owner's part; a second call does nothing.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
            Leave();
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _users) == 0)
            free();
    }

    /// <summary>One use under way.</summary>
    public readonly struct Use(SharedLifetime? lifetime) : IDisposable
    {
        public void Dispose() => lifetime?.Leave(); // The default ends nothing.
    }
}
