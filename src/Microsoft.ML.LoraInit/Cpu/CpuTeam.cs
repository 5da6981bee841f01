namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>The threads that may share an operation.</summary>
/// <param name="Threads">At most so many, the caller among them.</param>
internal readonly record struct CpuTeam(int Threads)
{
    // Multiply-adds that a thread does in the time that it takes to call it.
    private const long WorthAThread = 2_000_000;

    /// <summary>The caller alone.</summary>
    public static CpuTeam Alone => new(1);

    /// <summary>Runs <paramref name="body"/> over parts [first, end) of <paramref name="count"/> pieces.</summary>
    /// <param name="count">Number of pieces.</param>
    /// <param name="cost">Multiply-adds of a piece.</param>
    /// <param name="body">Called for disjoint parts that cover all pieces; on other threads where that pays.</param>
    public void For(int count, long cost, Action<int, int> body)
    {
        int parts = (int)Math.Min(Math.Min(Threads, count), cost * count / WorthAThread);
        if (parts <= 1)
        {
            body(0, count);
            return;
        }
        Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = parts }, part =>
            body((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts)));
    }
}
