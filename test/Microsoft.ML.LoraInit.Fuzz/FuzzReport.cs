namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>What a format's inputs came to.</summary>
internal sealed class FuzzReport(string format)
{
    private const int Shown = 10;
    private readonly SortedDictionary<string, int> _refusals = new(StringComparer.Ordinal);

    public int Inputs { get; private set; }

    public int Accepted { get; private set; }

    /// <summary>The longest that one input took, in seconds.</summary>
    public double Slowest { get; private set; }

    /// <summary>The most that one input allocated and the process grew, in bytes.</summary>
    public long Largest { get; private set; }

    public List<string> Failures { get; } = [];

    public void Accept() => Accepted++;

    public void Refuse(Exception exception) => _refusals[exception.GetType().Name] = _refusals.GetValueOrDefault(exception.GetType().Name) + 1;

    public void Done(double seconds, long bytes)
    {
        Inputs++;
        Slowest = Math.Max(Slowest, seconds);
        Largest = Math.Max(Largest, bytes);
    }

    public void Print(TextWriter output)
    {
        output.WriteLine($"{format,-12} {Inputs,8} inputs {Accepted,8} accepted, slowest {Slowest:F2} s, largest {Largest >> 20} MB; refused: {string.Join(", ", _refusals.Select(r => $"{r.Key} {r.Value}"))}");
        foreach (var failure in Failures.Take(Shown))
            output.WriteLine($"  FAILED {failure}");
        if (Failures.Count > Shown)
            output.WriteLine($"  and {Failures.Count - Shown} more");
        output.Flush();
    }
}
