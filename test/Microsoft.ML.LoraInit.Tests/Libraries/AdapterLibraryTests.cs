using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Tests.Export;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

[TestClass]
public sealed class AdapterLibraryTests
{
    private const double Tolerance = 1e-5;

    private static readonly (string Name, string Start, ScoreColumns Scores, Func<AdapterSettings, AdapterSettings>? Change, bool Pair)[] Kinds =
    [
        ("plain", "plain", MadeUpModels.Multiclass("a", "b", "c"), null, false),
        ("wide", "rs", MadeUpModels.Multiclass("w", "x", "y", "z", "v"), s => s with { Rank = 8, TargetModules = TargetModules.AllLinear }, false),
        ("pattern", "plain", MadeUpModels.Binary(), s => s with { RankPattern = new Dictionary<string, int> { ["query"] = 2 }, LayersToTransform = [1, 3] }, false),
        ("dora", "dora", MadeUpModels.Multiclass("a", "b", "c"), s => s with { TargetModules = TargetModules.AllLinear }, false),
        ("corrected", "subtract", MadeUpModels.Regression(), s => s with { TargetModules = TargetModules.AllLinear }, true),
        ("corrected dora", "dora-subtract", MadeUpModels.Multiclass("no", "yes"), null, false),
        ("three", "middle-subtract", MadeUpModels.Multiclass("a", "b", "c", "d"), null, true),
        ("head", "head", MadeUpModels.Binary(), null, false),
    ];

    [TestMethod]
    [DataRow(1, false)]
    [DataRow(60, false)]
    [DataRow(8192, false)]
    [DataRow(1, true)]
    [DataRow(60, true)]
    [DataRow(8192, true)]
    public void RowsOfManyAdaptersScoreAsEachAdaptersOwnMergedModel(int maxTokens, bool onShelves)
    {
        var models = Models();
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { MaxTokensPerBatch = maxTokens, OnShelves = onShelves });
        foreach (var (name, model) in models)
            library.Add(name, model);
        var rows = MadeUpModels.Texts.Select((t, i) => new AdapterRequest(Kinds[i * 5 % Kinds.Length].Name, t, Kinds[i * 5 % Kinds.Length].Pair ? "About sport." : null)).ToArray();

        var actual = library.Predict(rows);

        var expected = rows.Select(r => Expected(models[r.Adapter].Model, new(r.Text, r.Text2))).ToArray();
        for (int i = 0; i < rows.Length; i++)
        {
            Assert.AreEqual(rows[i].Adapter, actual[i].Adapter);
            // A number is what is left of sums that do not shrink with it, so it is as exact as the adapter's largest one.
            var size = rows.Zip(expected).Where(r => r.First.Adapter == rows[i].Adapter).Max(r => r.Second.Max(s => Math.Abs(s)));
            Near(expected[i], actual[i].Score, $"row {i}, {rows[i].Adapter}", size);
        }
        // What is compared is not the base: without its adapter, each head says something else.
        foreach (var (name, _, scores, _, pair) in Kinds.Where(k => k.Start != "head"))
        {
            var row = Array.FindIndex(rows, r => r.Adapter == name);
            using var bare = MadeUpModels.Create("head", scores, Array.FindIndex(Kinds, k => k.Name == name), pair: pair);
            Assert.IsTrue(Difference(Expected(bare.Model, new(rows[row].Text, rows[row].Text2)), actual[row].Score) > 1e-3, name);
        }
        Dispose(models);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void InBFloat16ScoresAreNear(bool onShelves) => BFloat16("cpu", onShelves);

    [TestMethod]
    [TestCategory("Gpu")]
    public void OnAGpuScoresAreNear()
    {
        if (!TorchSharp.torch.cuda.is_available())
            Assert.Inconclusive("No CUDA device.");
        BFloat16("cuda", null);
    }

    private static void BFloat16(string device, bool? onShelves)
    {
        using var exact = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var rounded = AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { Device = new(device), Precision = Precision.BFloat16, OnShelves = onShelves });
        foreach (var (name, start, scores, change, pair) in Kinds)
        {
            using var model = MadeUpModels.Create(start, scores, 1, change, pair);
            using var merged = MadeUpModels.Create(start, scores, 1, change, pair, precision: Precision.BFloat16);
            exact.Add(name, model);
            Assert.IsTrue(rounded.Add(name, model).SizeInBytes > exact[name].SizeInBytes, "stored in fp32, computed in bf16");
            double error = 0, usual = 0;
            foreach (var text in MadeUpModels.Texts.Take(8))
            {
                var second = pair ? "About sport." : null;
                var expected = exact.Predict(name, text, second).Score;
                error += Difference(expected, rounded.Predict(name, text, second).Score);
                usual += Difference(expected, Expected(merged.Model, new(text, second)));
            }
            Assert.IsTrue(error > 0 && error < (3 * usual) + 0.02, $"{name}: off by {error / 8}; merged in bf16 by {usual / 8}");
        }
    }

    [TestMethod]
    public void PredictionsNameTheClass()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        foreach (var (name, start, scores, change, pair) in Kinds)
            using (var model = MadeUpModels.Create(start, scores, 1, change, pair))
                library.Add(name, model);
        var several = library.Predict("wide", "The soup tasted of garlic.");
        Assert.AreEqual(5, several.Score.Count);
        Assert.AreEqual(1, several.Score.Sum(), 1e-5);
        Assert.AreEqual(several.Score.Max(), several.Probability);
        Assert.AreEqual(library["wide"].Labels[several.Score.ToList().IndexOf(several.Probability)], several.PredictedLabel);
        var binary = library.Predict("pattern", ["The soup tasted of garlic.", "Heavy rain."]);
        Assert.IsTrue(binary.All(p => p.Score.Count == 2 && p.PredictedLabel == (p.Score[1] > 0.5 ? "True" : "False")));
        var number = library.Predict("corrected", "The soup.", "About food.");
        Assert.IsTrue(number.Score.Count == 1 && number.PredictedLabel.Length == 0 && float.IsNaN(number.Probability));

        CollectionAssert.AreEqual(Kinds.Select(k => k.Name).Order(StringComparer.Ordinal).ToArray(), library.Names.ToArray());
        Assert.AreEqual(("binary", false, 64), (library["pattern"].Task, library["pattern"].IsPair, library["pattern"].MaxLength));
        CollectionAssert.AreEquivalent(new[] { 2, 4 }, library["pattern"].Modules.Select(m => m.Rank).Distinct().ToArray());
        Assert.AreEqual(0, library["head"].Modules.Count);
        Assert.IsTrue(library["three"].IsPair && library["three"].Modules.All(m => m.Rank == 8), "the initial factors are stacked");
    }

    [TestMethod]
    [DoNotParallelize]
    public void AnAdapterTakesItsFactorsAndItsHeadAndNoCopyOfTheBase()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        long baseBytes = library.Base.Parameters * sizeof(float);
        var baseTensors = library.Base.Predictor.Encoder.Tensors.ToArray();
        using (var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 1))
            library.Add("first", model);
        var added = LiveTensors.Added(round =>
        {
            for (int i = 0; i < 10; i++)
                using (var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), i))
                    library.Add($"more {round} {i}", model);
        });

        var (config, info) = (library.Base.Config, library["first"]);
        long hidden = config.HiddenSize;
        long factors = config.Layers * 2 * 4 * 2 * hidden, head = (hidden * hidden) + hidden + (3 * hidden) + 3;
        Assert.AreEqual((factors + head) * sizeof(float), info.SizeInBytes);
        Assert.IsTrue(info.SizeInBytes * 20 < baseBytes, $"{info.SizeInBytes} bytes beside a base of {baseBytes}");
        // A, B and the head, each as stored and as an alias that the encoder's scopes cannot free; nothing of the base.
        Assert.AreEqual(10 * 2 * ((config.Layers * 2 * 2) + 4), added);
        CollectionAssert.AreEqual(baseTensors, library.Base.Predictor.Encoder.Tensors.ToArray());
    }

    [TestMethod]
    public void FactorsOnTheCpuAreHeldOnce()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 1);
        LibraryState(library, "x", model, out var state, out var weights);
        var before = weights.Tensors.Sum(t => t.abs().sum().item<float>());
        foreach (var tensor in state.Tensors.Values)
            tensor.zero_();
        Assert.IsTrue(before > 0);
        Assert.AreEqual(0, weights.Tensors.Sum(t => t.abs().sum().item<float>()), "the form that scores is the stored one");
    }

    [TestMethod]
    public void AdaptersComeFromFilesAndPeftFolders()
    {
        using var folder = new TemporaryFolder();
        var ml = new MLContext();
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var saved = MadeUpModels.Create("dora", MadeUpModels.Multiclass("a", "b"), 3);
        var view = ml.Data.LoadFromEnumerable(new[] { new { Text = "x" } });
        ml.Model.Save(saved, view.Schema, folder.File("m.mlnet"));
        string[] labels = ["food", "sport", "weather"];
        using var peft = PeftAdapter.Load(PeftAdapterTests.Adapter, new() { BaseModel = RobertaCheckpoint.Mini, Labels = labels });

        library.Add("file", folder.File("m.mlnet"));
        library.Add("folder", PeftAdapterTests.Adapter, new() { Labels = labels });

        CollectionAssert.AreEqual(labels, library["folder"].Labels.ToArray());
        foreach (var text in MadeUpModels.Texts.Take(5))
        {
            Near(Expected(saved.Model, new(text, null)), library.Predict("file", text).Score, "file");
            Near(Expected(peft.Model, new(text, null)), library.Predict("folder", text).Score, "folder");
        }
    }

    [TestMethod]
    public void AnAdapterBecomesAModelAgain()
    {
        using var folder = new TemporaryFolder();
        using var model = MadeUpModels.Create("dora-subtract", MadeUpModels.Multiclass("a", "b", "c"), 3);
        using var library = AdapterLibrary.Create(model);
        library.Add("x", model);
        using var again = library.CreateModel("x");
        again.SavePeftAdapter(folder.File("adapter"));
        library.Add("exported", folder.File("adapter"), new() { Labels = ["a", "b", "c"] });
        foreach (var text in MadeUpModels.Texts.Take(5))
        {
            Near(Expected(model.Model, new(text, null)), Expected(again.Model, new(text, null)), "model");
            Near(Expected(model.Model, new(text, null)), library.Predict("exported", text).Score, "exported");
        }
    }

    [TestMethod]
    [DoNotParallelize]
    [DataRow(false)]
    [DataRow(true)]
    public void ThreadsPredictWhileAdaptersComeAndGo(bool onShelves)
    {
        long before = LiveTensors.Count();
        var library = AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { OnShelves = onShelves });
        LoraTextTransformer[] versions = [.. Enumerable.Range(0, 2).Select(i => MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), i))];
        var texts = MadeUpModels.Texts.Take(6).ToArray();
        var expected = versions.Select(v => texts.Select(t => Expected(v.Model, new(t, null))).ToArray()).ToArray();
        Assert.IsTrue(Difference(expected[0][0], expected[1][0]) > 1e-3, "The versions are too alike to tell them.");
        library.Add("stable", versions[0]);
        library.Add("changing", versions[0]);
        library.Add("passing", versions[1]);
        using var stop = new CancellationTokenSource();
        int refused = 0, answered = 0;

        var readers = Enumerable.Range(0, 4).Select(_ => OwnThread.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                AdapterRequest[] rows = [.. texts.Select((t, i) => new AdapterRequest(i % 2 == 0 ? "stable" : "changing", t))];
                var found = library.Predict(rows);
                for (int i = 0; i < rows.Length; i += 2)
                    Near(expected[0][i], found[i].Score, "stable");
                // One call sees one version.
                var version = Difference(expected[0][1], found[1].Score) < Tolerance ? 0 : 1;
                for (int i = 1; i < rows.Length; i += 2)
                    Near(expected[version][i], found[i].Score, "changing");
                try
                {
                    Near(expected[1][0], library.Predict("passing", texts[0]).Score, "passing");
                    Interlocked.Increment(ref answered);
                }
                catch (ArgumentException e) when (e.Message.Contains("'passing'", StringComparison.Ordinal))
                {
                    Interlocked.Increment(ref refused);
                }
            }
        })).ToArray();
        var end = DateTime.UtcNow.AddMinutes(2);
        for (int i = 0; i < 200 || ((Volatile.Read(ref answered) == 0 || Volatile.Read(ref refused) == 0) && DateTime.UtcNow < end); i++)
        {
            library.Add("changing", versions[i % 2], replace: true);
            if (library.Remove("passing"))
                Thread.Yield();
            else
                library.Add("passing", versions[1]);
        }
        stop.Cancel();
        Task.WaitAll(readers);
        Assert.IsTrue(answered > 0 && refused > 0, $"{answered} answered, {refused} refused");
        library.Dispose();
        foreach (var version in versions)
            version.Dispose();
        LiveTensors.AssertNoMoreThan(before, "native memory is left");
        Assert.ThrowsExactly<ObjectDisposedException>(() => library.Predict("stable", "x"));
        Assert.ThrowsExactly<ObjectDisposedException>(() => library.Remove("stable"));
    }

    internal static void LibraryState(AdapterLibrary library, string name, LoraTextTransformer model, out FineTunedState state, out LoraInit.Libraries.SeparateWeights weights)
    {
        library.Add(name, model);
        var adapter = ((System.Collections.Immutable.ImmutableSortedDictionary<string, LoraInit.Libraries.LibraryAdapter>)library.Version)[name];
        (state, weights) = (adapter.Source.State, (LoraInit.Libraries.SeparateWeights)adapter.Weights);
    }

    /// <summary>The model's scores in the library's form.</summary>
    internal static float[] Expected(FineTunedModel model, TextPair text)
    {
        var scores = model.ModelSettings.Scores.Task.Scores(model.Scorer.Score([text])[0]);
        return model.ModelSettings.Scores.Task is BinaryTask ? [1 - scores[0], scores[0]] : scores;
    }

    internal static void Near(IReadOnlyList<float> expected, IReadOnlyList<float> actual, string what, double size = 1)
    {
        Assert.AreEqual(expected.Count, actual.Count, what);
        for (int i = 0; i < expected.Count; i++)
            Assert.AreEqual(expected[i], actual[i], Tolerance * Math.Max(Math.Max(1, size), Math.Abs(expected[i])), what);
    }

    private static double Difference(IReadOnlyList<float> a, IReadOnlyList<float> b) => a.Zip(b).Max(p => Math.Abs(p.First - p.Second));

    private static Dictionary<string, LoraTextTransformer> Models() => Kinds.Select((k, i) => (k, i))
        .ToDictionary(p => p.k.Name, p => MadeUpModels.Create(p.k.Start, p.k.Scores, p.i, p.k.Change, p.k.Pair), StringComparer.Ordinal);

    private static void Dispose(Dictionary<string, LoraTextTransformer> models)
    {
        foreach (var model in models.Values)
            model.Dispose();
    }
}
