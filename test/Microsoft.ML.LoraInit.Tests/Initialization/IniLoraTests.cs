using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

[TestClass]
public sealed class IniLoraTests
{
    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void SomeStepsComeNearTheLeastError(string folder) => AssertNearBest(folder, 4000, 0.05);

    [TestMethod]
    [TestCategory("Long")]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void ThePapersStepsReachTheLeastErrorWithinOnePercent(string folder) => AssertNearBest(folder, 20_000, 0.01);

    [TestMethod]
    public void ASecondRunComesFromTheCache()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        AdapterTarget[] targets = [FakeContext.Target("a.query", 32, 24, 4), FakeContext.Target("b.query", 24, 24, 4, alpha: 4)];
        var strategy = LoraInitialization.IniLora(steps: 300, cacheFolder: folder.File("cache"));
        var (first, second) = (FakeContext.Random(targets), FakeContext.Random(targets));
        var fitted = strategy.Initialize(first);
        var stored = Directory.GetFiles(folder.File("cache"));
        Assert.AreEqual(1, stored.Length, "One file, and no temporary one beside it");
        var found = strategy.Initialize(second);
        Assert.IsTrue(first.Messages.Any(m => m.StartsWith("Factorising", StringComparison.Ordinal)));
        Assert.IsFalse(second.Messages.Any(m => m.StartsWith("Factorising", StringComparison.Ordinal)), string.Join("; ", second.Messages));
        for (int i = 0; i < targets.Length; i++)
            Assert.AreEqual(0, Compare.Norm(fitted[i].A - found[i].A) + Compare.Norm(fitted[i].B - found[i].B));
        // The scaling is applied after the cache: another alpha needs no other fit. The fit's seed, steps and rank do.
        strategy.Initialize(FakeContext.Random([.. targets.Select(t => t with { Alpha = 7 })]));
        Assert.AreEqual(1, Directory.GetFiles(folder.File("cache")).Length);
        strategy.Initialize(FakeContext.Random(targets, seed: 1));
        Assert.AreEqual(1, Directory.GetFiles(folder.File("cache")).Length, "Runs of all seeds share a fit.");
        LoraInitialization.IniLora(300, cacheFolder: folder.File("cache"), fitSeed: 1).Initialize(FakeContext.Random(targets));
        LoraInitialization.IniLora(steps: 301, cacheFolder: folder.File("cache")).Initialize(FakeContext.Random(targets));
        strategy.Initialize(FakeContext.Random([.. targets.Select(t => t with { Rank = 3 })]));
        Assert.AreEqual(4, Directory.GetFiles(folder.File("cache")).Length);
    }

    [TestMethod]
    public void TheFitsSeedIsNotTheRuns()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [FakeContext.Target("a.query", 32, 24, 4)];
        Tensor A(int? fitSeed, int seed) => LoraInitialization.IniLora(5, cacheFolder: "", fitSeed: fitSeed).Initialize(FakeContext.Random(targets, seed))[0].A;
        Assert.AreEqual(0, Compare.Norm(A(0, 0) - A(0, 7)), "Shared by all seeds");
        Assert.AreEqual(0, Compare.Norm(A(null, 7) - A(7, 0)), "null: the run's own");
        Assert.IsTrue(Compare.Norm(A(0, 0) - A(1, 0)) > 0);
    }

    [TestMethod]
    public void NoStepsLeaveTheDrawnFactors()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var target = FakeContext.Target("a.query", 32, 24, 4, alpha: 4);
        var none = new IniLoraInitialization { Steps = 0, CacheFolder = folder.Path }.Initialize(FakeContext.Random([target]))[0];
        var tiny = new IniLoraInitialization { Steps = 1, LearningRate = 1e-12, CacheFolder = "" }.Initialize(FakeContext.Random([target]))[0];
        Compare.Below(1e-9, Compare.Norm(none.A - tiny.A) + Compare.Norm(none.B - tiny.B), "Distance from where the steps start");
        Assert.IsTrue(none.SubtractFromBase);
        Assert.AreEqual(0, Directory.GetFiles(folder.Path).Length, "There is nothing to keep.");
    }

    [TestMethod]
    public void TheAuthorsScriptAveragesBiasesIntoSigma()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [FakeContext.Target("layer.0.query", 64, 256, 8), FakeContext.Target("layer.1.query", 64, 256, 8)];
        var context = FakeContext.Random(targets); // weights of deviation 0.05
        foreach (var target in targets)
            context.Biases[target.ModuleName] = linspace(-0.015, 0.015, 64); // of 0.0088
        var result = new IniLoraInitialization { Steps = 0, AbsorbScaling = false, SigmaRule = IniLoraSigmaRule.WeightsAndBiases }.Initialize(context)[0];
        Assert.IsTrue(KolmogorovSmirnov.PValue(result.A, KolmogorovSmirnov.Normal(0.029)) > 0.01);
        Assert.IsTrue(KolmogorovSmirnov.PValue(result.A, KolmogorovSmirnov.Normal(0.05)) < 1e-6);
    }

    // A run in bf16 fits what bf16 leaves of the weights, which a run in fp32 should not find.
    [TestMethod]
    public void FitsOfABaseInAnotherPrecisionAreKeptApart()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        foreach (var type in new[] { ScalarType.BFloat16, ScalarType.Float32 })
        {
            using var weights = TinyModel.Base(dtype: type);
            using var model = TinyModel.Create(weights);
            using var context = new ModelInitializationContext(model, AdapterPlanner.Plan(new AdapterSettings { Rank = 2 }, model.Config), 1, new ProgressReporter(null, null), default);
            LoraInitialization.IniLora(steps: 3, cacheFolder: folder.Path).Initialize(context);
        }
        Assert.HasCount(2, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void ADamagedCacheFileIsFittedAgainAndReplaced()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        AdapterTarget[] targets = [FakeContext.Target("a.query", 32, 24, 4)];
        var strategy = LoraInitialization.IniLora(steps: 100, cacheFolder: folder.Path);
        strategy.Initialize(FakeContext.Random(targets));
        var file = Directory.GetFiles(folder.Path).Single();
        var whole = File.ReadAllBytes(file);
        byte[] flipped = [.. whole[..^5], (byte)(whole[^5] ^ 1), .. whole[^4..]];
        foreach (var damaged in new[] { whole[..^16], flipped, [] })
        {
            File.WriteAllBytes(file, damaged);
            var context = FakeContext.Random(targets);
            strategy.Initialize(context);
            StringAssert.Contains(context.Warnings.Single(), Path.GetFileName(file));
            CollectionAssert.AreEqual(whole, File.ReadAllBytes(file));
        }
    }

    [TestMethod]
    public void ACacheThatCannotBeWrittenCostsOneWarning()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("file"), "no folder can be made below this");
        var context = FakeContext.Random([FakeContext.Target("a.query", 32, 24, 4)]);
        Assert.HasCount(1, LoraInitialization.IniLora(steps: 100, cacheFolder: folder.File("file/cache")).Initialize(context));
        Assert.HasCount(1, context.Warnings);
    }

    [TestMethod]
    public void TheResidualStaysInTheBaseWhateverAlphaIs()
    {
        using var scope = NewDisposeScope();
        foreach (var alpha in new[] { 4.0, 16.0 })
        {
            var context = FakeContext.Random([FakeContext.Target("a.query", 32, 24, 4, alpha)]);
            var scaled = LoraInitialization.IniLora(exact: true).Initialize(context)[0];
            var asAuthors = (new IniLoraInitialization { Exact = true, AbsorbScaling = false }).Initialize(context)[0];
            Compare.Below(1e-5, Compare.Relative(Compare.Product(scaled.B, scaled.A) * (alpha / 4), Compare.Product(asAuthors.B, asAuthors.A)), $"alpha {alpha}");
        }
    }

    [TestMethod]
    public void SigmaIsTheKindsMeanDeviationInThreeDecimals()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [.. from layer in Enumerable.Range(0, 3) from kind in new[] { "query", "value" } select FakeContext.Target($"layer.{layer}.{kind}", 64, 256, 8)];
        var context = FakeContext.Random(targets);
        foreach (var target in targets.Where(t => t.ModuleName.EndsWith("value", StringComparison.Ordinal)))
            context.Weights[target.ModuleName] = context.Weights[target.ModuleName] * 2.4;
        // One tiny step leaves the factors where they started.
        var results = new IniLoraInitialization { Steps = 1, LearningRate = 1e-12, AbsorbScaling = false, CacheFolder = "" }.Initialize(context);
        foreach (var (target, result) in targets.Zip(results))
        {
            var expected = target.ModuleName.EndsWith("value", StringComparison.Ordinal) ? 0.12 : 0.05;
            Assert.IsTrue(KolmogorovSmirnov.PValue(result.A, KolmogorovSmirnov.Normal(expected)) > 0.01, $"A of {target.ModuleName}");
            Assert.IsTrue(KolmogorovSmirnov.PValue(result.A, KolmogorovSmirnov.Normal(expected * 1.3)) < 1e-6, $"A of {target.ModuleName} against another σ");
        }
    }

    [TestMethod]
    public void OfRunsInParallelOneFitsAndTheOthersWait()
    {
        using var folder = new TemporaryFolder();
        var contexts = new FakeContext[4];
        var together = new Barrier(contexts.Length);
        var threads = Enumerable.Range(0, contexts.Length).Select(i => new Thread(() =>
        {
            using var scope = NewDisposeScope();
            contexts[i] = FakeContext.Random([FakeContext.Target("a.query", 64, 48, 4)]);
            together.SignalAndWait();
            LoraInitialization.IniLora(steps: 400, cacheFolder: folder.Path).Initialize(contexts[i]);
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Assert.AreEqual(1, contexts.Count(c => c.Messages.Any(m => m.StartsWith("Factorising", StringComparison.Ordinal))));
        Assert.AreEqual(3, contexts.Count(c => c.Messages.Contains("Factorised weights from the cache")));
    }

    [TestMethod]
    [TestCategory("Gpu")]
    public void AllWeightsOfRobertaBaseAreFittedAtOnceOnAGpu()
    {
        if (!cuda.is_available())
            Assert.Inconclusive("No CUDA device.");
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        AdapterTarget[] targets = [.. from layer in Enumerable.Range(0, 12) from kind in new[] { "query", "value" } select FakeContext.Target($"layer.{layer}.{kind}", 768, 768, 8, alpha: 8)];
        // Pre-trained weights have some strong directions on a broad floor.
        var spectrum = FakeContext.Random(targets).Weights.ToDictionary(w => w.Key, w =>
        {
            using var random = new Generator(SeededRandom.Hash(1, w.Key));
            var strong = empty(768, 32).normal_(0, 0.03, random) * pow(0.93, arange(32).to(ScalarType.Float32));
            return (w.Value * 0.6 + strong.matmul(empty(32, 768).normal_(0, 1, random))).cuda();
        });
        FakeContext Context() => new(targets) { Weights = spectrum, Place = CUDA };
        var strategy = LoraInitialization.IniLora(cacheFolder: folder.Path);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var fitted = strategy.Initialize(Context());
        Console.WriteLine($"20,000 steps on 24 weights [768, 768]: {clock.Elapsed.TotalSeconds:F1} s");
        clock.Restart();
        strategy.Initialize(Context());
        Console.WriteLine($"From the cache: {clock.Elapsed.TotalSeconds:F2} s");
        Compare.Below(1, clock.Elapsed.TotalSeconds, "Seconds from the cache");
        var best = LoraInitialization.IniLora(exact: true).Initialize(Context());
        double worst = 0;
        for (int i = 0; i < targets.Length; i++)
        {
            double Error(InitializedAdapter found) => (Compare.Product(found.B, found.A) - spectrum[targets[i].ModuleName]).square().mean().item<double>();
            worst = Math.Max(worst, Error(fitted[i]) / Error(best[i]) - 1);
        }
        Console.WriteLine($"At most {worst:P3} above the least error");
        Compare.Below(0.01, worst, "Distance from the least error");
    }

    private static void AssertNearBest(string folder, int steps, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var file = new ParityMatrices(folder);
        var context = file.Context("pissa", file.Names);
        var results = LoraInitialization.IniLora(steps, cacheFolder: "").Initialize(context);
        foreach (var (target, result) in context.Targets.Zip(results))
        {
            var best = file.Read($"{target.ModuleName}.best_rank8_mse").item<float>();
            var error = (Compare.Product(result.B, result.A) * target.Scaling - context.Weight(target)).square().mean().item<double>();
            Console.WriteLine($"{target.ModuleName}: {error / best - 1:P3} above the least error after {steps} steps");
            Compare.Below(best * (1 + tolerance), error, target.ModuleName);
            Compare.Below(error, best * (1 - 1e-4), "No product can be better than the best");
        }
    }
}
