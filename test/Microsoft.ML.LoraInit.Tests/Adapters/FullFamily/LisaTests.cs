using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.FullFamily;

[TestClass]
public sealed class LisaTests
{
    private const double Rate = 0.01, Decay = 0.1;

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ADrawnLayerMovesByAnAdamWOfItsOwnAndTheOthersStay(bool keep)
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new LisaMethod { Layers = 1, Interval = 2, Keep = keep }, Decay);
        using var noGrad = no_grad();
        var plain = new Dictionary<int, PlainAdamW>();
        for (int step = 0; step < 12; step++)
        {
            run.Parameters.Gradient().copy_(randn(run.Parameters.Count, generator: new Generator((ulong)step)));
            run.Hooks.BeforeStep(step);
            var drawn = Drawn(run).Single();
            if (!plain.ContainsKey(drawn) || (!keep && step % 2 == 0))
                plain[drawn] = new();
            var expected = run.Parameters.Flat.detach().clone();
            foreach (var (layer, name) in Names(run).Where(n => n.Layer == drawn))
                run.Place(name).Of(expected).copy_(plain[layer].Step(name, run.Place(name).Of(expected), run.Place(name).Of(run.Parameters.Gradient())));
            run.Hooks.BeforeUpdate(step, Rate);
            TensorAssert.Close(expected, run.Parameters.Flat.detach(), 1e-5, $"after step {step}, layer {drawn}");
            foreach (var adam in plain.Values)
                adam.EndOfStep();
        }
        Assert.IsTrue(plain.Count > 1, "one layer was drawn each time");
    }

    [TestMethod]
    public void LayersAreDrawnAnewAtEachIntervalAndAllGetTheirTurn()
    {
        using var run = new TinyRun(new LisaMethod { Layers = 2, Interval = 5 });
        var draws = Enumerable.Range(0, 100).Select(step => { run.Hooks.BeforeStep(step); return string.Concat(Drawn(run)); }).ToArray();
        CollectionAssert.AreEquivalent(new[] { "01", "02", "12" }, draws.Distinct().ToArray());
        Assert.IsTrue(draws.Chunk(5).All(period => period.Distinct().Count() == 1));
    }

    [TestMethod]
    public void ARestingLayerGetsNoGradientAndTheRestOfTheModelDoes()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new LisaMethod { Layers = 1 });
        run.Hooks.BeforeStep(0);
        run.Parameters.Bind();
        nn.functional.cross_entropy(run.Model.forward(TinyModel.Batch(), new ForwardContext { IsTraining = true }), TinyModel.Labels()).backward();
        var drawn = Drawn(run).Single();
        foreach (var (layer, name) in Names(run))
            Assert.AreEqual(layer == drawn, run.Place(name).Of(run.Parameters.Gradient()).any().item<bool>(), name);
        foreach (var name in new[] { RobertaNames.Words, "classifier.out_proj.weight" })
            Assert.IsTrue(run.Place(name).Of(run.Parameters.Gradient()).any().item<bool>(), name);
    }

    [TestMethod]
    public void MoreLayersThanTheModelHasAreRefused()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => new LisaMethod { Layers = 4 }.Validate(TinyModel.Config));
        StringAssert.Contains(error.Message, "Layers = 4");
    }

    private static int[] Drawn(TinyRun run) => [.. Names(run).Where(n => !run.Parameters.Parameters.Single(p => p.Name == n.Name).Rests).Select(n => n.Layer).Distinct().Order()];

    private static IEnumerable<(int Layer, string Name)> Names(TinyRun run) =>
        from p in run.Parameters.Parameters
        where p.Name.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal)
        select (int.Parse(p.Name.Split('.')[3], System.Globalization.CultureInfo.InvariantCulture), p.Name);

    /// <summary>AdamW of some tensors, spelt out in fp64.</summary>
    private sealed class PlainAdamW
    {
        private readonly Dictionary<string, (Tensor First, Tensor Second)> _moments = [];
        private int _steps;
        private bool _stepped;

        public Tensor Step(string name, Tensor weight, Tensor gradient)
        {
            var g = gradient.to(ScalarType.Float64);
            var (first, second) = _moments.TryGetValue(name, out var m) ? m : (zeros_like(g), zeros_like(g));
            (first, second) = ((first * 0.9) + (g * 0.1), (second * 0.999) + (g.square() * 0.001));
            (_moments[name], _stepped) = ((first, second), true);
            var direction = first / (1 - Math.Pow(0.9, _steps + 1)) / ((second / (1 - Math.Pow(0.999, _steps + 1))).sqrt() + 1e-8);
            return (weight.to(ScalarType.Float64) * (1 - (Rate * Decay))) - (Rate * direction);
        }

        public void EndOfStep() => (_steps, _stepped) = (_steps + (_stepped ? 1 : 0), false);
    }
}
