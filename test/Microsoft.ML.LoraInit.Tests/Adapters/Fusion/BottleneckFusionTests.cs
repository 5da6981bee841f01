using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Inference;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Fusion;

/// <summary>The fused layer against a computation written from the formula, and how it starts.</summary>
[TestClass]
public sealed class BottleneckFusionTests
{
    [TestMethod]
    public void ALayerComputesWhatTheFormulaSays()
    {
        using var scope = NewDisposeScope();
        using var run = Moved(1, 2, 3);
        var (x, actual, values) = Forward(run, 3, ForwardContext.Inference);
        for (int row = 0; row < x.Length; row++)
            Assert.IsTrue(Near(Formula(x[row], values, 1, 1, 1), actual[row]), $"row {row}");
    }

    [TestMethod]
    public void ValuesArePulledTowardsTheIdentityAloneWhateverDecays()
    {
        using var run = Moved(1, 2);
        var values = run.Parameters.Parameters.Where(p => p.Name.EndsWith($"{BottleneckFusion.Value}.weight", StringComparison.Ordinal)).ToArray();
        Assert.HasCount(run.Model.Layers.Count, values);
        Assert.IsTrue(values.All(p => new AdamWSettings { DecayEverything = true }.DecayOf(p) == 0));
    }

    [TestMethod]
    public void EqualSourcesStartAsTheSourceAlone()
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var source = Fusions.State(weights, 1, 0.3, new PfeifferMethod(4));
        using var plain = source.Rebuild(weights);
        using var fused = TinyModel.Create(weights);
        Fusions.Tiny(1, 1, 1).Apply(fused, new(new(), 5, [], []));
        TensorAssert.Close(TinyModel.Logits(plain), TinyModel.Logits(fused), 1e-3, "three times the same");
        Assert.IsFalse(TinyModel.Logits(plain).allclose(TinyModel.Logits(TinyModel.Create(weights)), 0, 0.05), "The bottlenecks change nothing.");
    }

    [TestMethod]
    public void TrainingDropsScores()
    {
        using var scope = NewDisposeScope();
        using var run = Moved(1, 2);
        using var dropout = KernelDropout.FromSeed(3, CPU);
        var (x, actual, values) = Forward(run, 40, new() { IsTraining = true, Dropout = dropout });
        const double Kept = 1 / 0.9;
        int dropped = 0;
        for (int row = 0; row < x.Length; row++)
        {
            if (Near(Formula(x[row], values, Kept, Kept), actual[row]))
                continue;
            dropped++;
            Assert.IsTrue(new (double, double)[] { (0, Kept), (Kept, 0), (0, 0) }.Any(m => Near(Formula(x[row], values, m.Item1, m.Item2), actual[row])), $"row {row}");
        }
        Assert.IsTrue(dropped is > 2 and < 20, $"{dropped} of 40 rows lost a score, of which 0.19 should.");
    }

    [TestMethod]
    public void TheAttentionAndTheHeadAloneAreTrained()
    {
        using var model = TinyModel.Create();
        Fusions.Tiny(1, 2).Apply(model, new(new(), 5, [], []));
        var expected = from i in Enumerable.Range(0, 3)
                       from part in new[] { "query.weight", "query.bias", "key.weight", "key.bias", "value.weight" }
                       select $"roberta.encoder.layer.{i}.output.fusion.{part}";
        CollectionAssert.AreEquivalent(expected.ToArray(), model.Parameters.Where(p => p.Trained && !p.Name.StartsWith("classifier", StringComparison.Ordinal)).Select(p => p.Name).ToArray());
        CollectionAssert.IsSubsetOf((string[])["roberta.encoder.layer.2.output.fusion.source.1.up.bias"], model.Parameters.Where(p => !p.Trained).Select(p => p.Name).ToArray());
    }

    [TestMethod]
    public void EachLayerTakesItsSourcesOwnBottlenecks()
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var second = Fusions.State(weights, 2, 0.3, new PfeifferMethod(4, skip: 1));
        var method = new AdapterFusionMethod { Sources = [Fusions.Source(weights, "a", 1, method: new PfeifferMethod(4, skip: 1)), FusionSource.Of("b", second)] };
        using var model = TinyModel.Create(weights);
        method.Apply(model, new(new(), 5, [], []));
        Assert.AreEqual(0, model.Layers[0].Bottlenecks.Count);
        TensorAssert.Identical(
            second.Tensors["roberta.encoder.layer.2.output.bottleneck.up.weight"],
            model.Parameters.Single(p => p.Name == "roberta.encoder.layer.2.output.fusion.source.1.up.weight").Value, "layer 2 of the second");
    }

    [TestMethod]
    public void ThePenaltyIsTheSquaredDistanceFromTheIdentity()
    {
        using var scope = NewDisposeScope();
        using var run = Moved(1, 2);
        run.Parameters.Bind();
        double expected = 0;
        foreach (var values in run.Parameters.Parameters.Where(p => p.Name.EndsWith("value.weight", StringComparison.Ordinal)).Select(p => p.Value.detach()))
            for (int i = 0; i < 16; i++)
                for (int j = 0; j < 16; j++)
                    expected += 0.01 * Math.Pow(values[i, j].item<float>() - (i == j ? 1 : 0), 2);
        Assert.AreEqual(expected, run.Hooks.Penalty()!.item<float>(), 1e-4);
        Assert.IsTrue(expected > 0.1, $"{expected}");
    }

    [TestMethod]
    public void TheSharesThatAreToldAreTheAttentions()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(Fusions.Tiny(1, 2));
        using var noGrad = no_grad();
        // No query, no preference; then one that all keys answer in layer 1.
        foreach (var parameter in run.Parameters.Parameters.Where(p => p.Name.Contains("fusion", StringComparison.Ordinal)))
            run.Place(parameter).Of(run.Parameters.Flat.detach()).zero_();
        using var even = FineTunedState.Capture(run.Model, run.Method, null, run.Parameters.Snapshot());
        foreach (var share in Shares(even, run.Weights))
            Assert.AreEqual(0.5, share, 1e-6);
        run.Place("roberta.encoder.layer.1.output.fusion.query.bias").Of(run.Parameters.Flat.detach()).add_(1);
        run.Place("roberta.encoder.layer.1.output.fusion.key.weight").Of(run.Parameters.Flat.detach()).add_(1);
        using var moved = FineTunedState.Capture(run.Model, run.Method, null, run.Parameters.Snapshot());
        var shares = Shares(moved, run.Weights);
        Assert.AreEqual(0.5, shares[0], 1e-6);
        Assert.AreNotEqual(0.5, shares[2], 1e-2);
        Assert.AreEqual(1, shares[2] + shares[3], 1e-6);
    }

    [TestMethod]
    public void BothEncodersScoreAsTheModelInTraining()
    {
        using var run = Moved(1, 2, 3);
        using var state = FineTunedState.Capture(run.Model, run.Method, null, run.Parameters.Snapshot());
        var texts = RandomModel.Texts(60, TinyModel.Config);
        using var classifier = state.BuildMerged(run.Weights, CPU, ScalarType.Float32);
        var expected = texts.Select(t => Logits(classifier, t)).ToArray();
        foreach (var onCpu in new[] { true, false })
        {
            using var scope = NewDisposeScope();
            var weights = state.MergedWeights(run.Weights, CPU, ScalarType.Float32).Concat(state.Bottlenecks.Select(b => KeyValuePair.Create(b.Key, b.Value.clone().DetachFromDisposeScope()))).ToDictionary();
            using var predictor = new RobertaPredictor(TinyModel.Config, weights, new PredictorOptions { ScoresOnHost = onCpu });
            var actual = predictor.Predict(texts);
            Assert.IsTrue(expected.Zip(actual, (e, a) => e.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max() < 1e-4, onCpu ? "vector code" : "tensors");
        }
    }

    /// <summary>Layer by layer, of each source.</summary>
    private static List<float> Shares(FineTunedState state, BaseWeights weights)
    {
        var merged = state.MergedWeights(weights, CPU, ScalarType.Float32).Concat(state.Bottlenecks.Select(b => KeyValuePair.Create(b.Key, b.Value.clone().DetachFromDisposeScope()))).ToDictionary();
        using var model = new MergedModel(TinyModel.Config, merged);
        var shares = new List<float>();
        var ids = TinyModel.Batch().InputIds;
        model.Encode(model.Words(ids).add(model.Positions(ids.shape[1])), null, (_, taken) => shares.AddRange(taken.mean([0L, 1L, 3L]).data<float>()));
        return shares;
    }

    private static float[] Logits(RobertaClassifier model, EncodedText text)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return model.forward(BatchBuilder.Build([text], [0], TinyModel.Config.PadTokenId, CPU), ForwardContext.Inference).data<float>().ToArray();
    }

    /// <summary>A fused tiny model whose attention was moved away from its start.</summary>
    private static TinyRun Moved(params int[] seeds)
    {
        var run = new TinyRun(Fusions.Tiny(seeds));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        run.Parameters.Flat.detach().add_(randn(run.Parameters.Count, generator: new Generator(8)), 0.3);
        return run;
    }

    /// <summary>Rows of x, what layer 1 makes of them, and its tensors by their names within it.</summary>
    private static (double[][] X, double[][] Y, Dictionary<string, float[]> Values) Forward(TinyRun run, int rows, ForwardContext context)
    {
        using var noGrad = no_grad();
        run.Parameters.Bind();
        var fusion = run.Model.Layers[1].Bottlenecks[BottleneckPlace.Output];
        var x = randn([1, rows, TinyModel.Config.HiddenSize], generator: new Generator(4));
        return (Rows(x), Rows(fusion.forward(x, context)), fusion.Parameters.ToDictionary(p => p.Name[(BottleneckFusion.NameOf(1).Length + 1)..], p => p.Value.data<float>().ToArray()));

        static double[][] Rows(Tensor x) => [.. x[0].unbind(0).Select(r => r.data<float>().Select(v => (double)v).ToArray())];
    }

    /// <summary>One row by the formula.</summary>
    /// <param name="x">The row.</param>
    /// <param name="values">The layer's tensors.</param>
    /// <param name="masks">What dropout multiplies each source's score by.</param>
    private static double[] Formula(double[] x, Dictionary<string, float[]> values, params double[] masks)
    {
        double[] Affine(string module, double[] input) => [.. Enumerable.Range(0, values.TryGetValue($"{module}.bias", out var bias) ? bias.Length : input.Length)
            .Select(o => (bias?[o] ?? 0) + input.Select((v, i) => v * values[$"{module}.weight"][(o * input.Length) + i]).Sum())];
        var query = Affine("query", x);
        var changes = masks.Select((_, n) => Affine($"source.{n}.up", [.. Affine($"source.{n}.down", x).Select(Gelu)])).ToArray();
        var scores = changes.Select((z, n) => Math.Exp(masks[n] * Affine("key", z).Zip(query, (k, q) => k * q).Sum())).ToArray();
        var taken = changes.Select(z => Affine("value", z)).ToArray();
        return [.. x.Select((v, i) => v + taken.Select((t, n) => scores[n] / scores.Sum() * t[i]).Sum())];
    }

    private static bool Near(double[] expected, double[] actual) => expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max() < 1e-4;

    private static double Gelu(double x) => x / 2 * (1 + special.erf(tensor(x / Math.Sqrt(2))).item<double>());
}
