namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary>
/// A library whose adapters change without a pause while it scores: a thread adds, replaces and removes some under a few names and asks each
/// that it has added; what it hears is compared with what the adapter's merged model says.
/// </summary>
/// <param name="library">The library.</param>
/// <param name="madeUp">Makes adapters.</param>
/// <param name="answers">What answers are added to, those of the passing adapters and of the rows.</param>
internal sealed class ChangingLibrary(AdapterLibrary library, MadeUpAdapters madeUp, AnswerComparison answers)
{
    private const int FirstSeed = 1_000_000, Seeds = 5, Names = 7;
    private const string Probe = "the river never likes a quiet market";

    /// <summary>Adapters added or replaced.</summary>
    public int Changes { get; private set; }

    /// <summary>Runs something while the library changes.</summary>
    /// <param name="seconds">What is run; says how long it took.</param>
    /// <param name="score">Scores rows once more.</param>
    /// <param name="expected">What the rows' scores are to be.</param>
    /// <returns>The seconds.</returns>
    public double Run(Func<Func<IReadOnlyList<AdapterPrediction>>, double> seconds, Func<IReadOnlyList<AdapterPrediction>> score, IReadOnlyList<AdapterPrediction> expected)
    {
        var probes = Enumerable.Range(0, Seeds).Select(Merged).ToArray();
        using var stop = new CancellationTokenSource();
        var other = Task.Run(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++, Changes++)
            {
                var name = $"passing-{i % Names}";
                madeUp.Add(library, name, FirstSeed + (i % Seeds), replace: true);
                answers.Add(library.Predict(name, Probe).Score, probes[i % Seeds]);
                if (i % 3 == 0)
                    library.Remove(name);
            }
        });
        var taken = seconds(() =>
        {
            var actual = score();
            foreach (var (one, other) in actual.Zip(expected))
                answers.Add(one.Adapter == other.Adapter ? one.Score : [], other.Score);
            return actual;
        });
        stop.Cancel();
        other.GetAwaiter().GetResult();
        return taken;
    }

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
