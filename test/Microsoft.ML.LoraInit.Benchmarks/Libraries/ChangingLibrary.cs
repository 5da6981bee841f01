namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary>
/// A library whose adapters change without a pause while it scores: a thread adds, replaces and removes some under a few names and asks each
/// that it has added; what it hears is compared with what the adapter's merged model says.
/// </summary>
/// <param name="library">The library.</param>
/// <param name="madeUp">Makes adapters.</param>
/// <param name="tolerance">How far scores may be apart.</param>
internal sealed class ChangingLibrary(AdapterLibrary library, MadeUpAdapters madeUp, float tolerance)
{
    private const int FirstSeed = 1_000_000, Seeds = 5, Names = 7;
    private const string Probe = "the river never likes a quiet market";

    /// <summary>Adapters added or replaced.</summary>
    public int Changes { get; private set; }

    /// <summary>Answers of such adapters that were compared.</summary>
    public int Answers { get; private set; }

    /// <summary>Runs something while the library changes.</summary>
    /// <param name="seconds">What is run; says how long it took.</param>
    /// <param name="score">Scores rows once more.</param>
    /// <param name="expected">What the rows' scores are to be.</param>
    /// <returns>The seconds, and how many answers were wrong.</returns>
    public (double Seconds, int Wrong) Run(Func<Func<IReadOnlyList<AdapterPrediction>>, double> seconds, Func<IReadOnlyList<AdapterPrediction>> score, IReadOnlyList<AdapterPrediction> expected)
    {
        var probes = Enumerable.Range(0, Seeds).Select(Merged).ToArray();
        using var stop = new CancellationTokenSource();
        int wrong = 0;
        var other = Task.Run(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++, Changes++)
            {
                var name = $"passing-{i % Names}";
                madeUp.Add(library, name, FirstSeed + (i % Seeds), replace: true);
                if (IsOther(library.Predict(name, Probe).Score, probes[i % Seeds]))
                    Interlocked.Increment(ref wrong);
                Answers++;
                if (i % 3 == 0)
                    library.Remove(name);
            }
        });
        var taken = seconds(() =>
        {
            var actual = score();
            Interlocked.Add(ref wrong, actual.Zip(expected).Count(r => r.First.Adapter != r.Second.Adapter || IsOther(r.First.Score, r.Second.Score)));
            return actual;
        });
        stop.Cancel();
        other.GetAwaiter().GetResult();
        return (taken, wrong);
    }

    /// <summary>Whether scores differ.</summary>
    public bool IsOther(IReadOnlyList<float> actual, IReadOnlyList<float> expected) =>
        actual.Count != expected.Count || actual.Zip(expected).Any(s => !(Math.Abs(s.First - s.Second) <= tolerance));

    /// <summary>What a passing adapter's merged model says of the probe.</summary>
    private float[] Merged(int seed)
    {
        const string name = "passing-0";
        madeUp.Add(library, name, FirstSeed + seed);
        using var model = library.CreateModel(name);
        library.Remove(name);
        return LibraryBenchmark.Scores(model, [Probe])[0];
    }
}
