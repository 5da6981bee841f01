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
        var plain = new Dictionary<string, PlainAdamW>();
        var turns = new HashSet<int>();
        for (int step = 0; step < 12; step++)
        {
            run.RandomGradient(step);
            run.Hooks.BeforeStep(step);
            if (!keep && step % 2 == 0)
                plain.Clear();
            var drawn = Drawn(run).Single();
            turns.Add(drawn);
            var expected = run.Parameters.Flat.detach().clone();
            foreach (var (_, name) in Names(run).Where(n => n.Layer == drawn))
            {
                plain.TryAdd(name, new(Rate, Decay));
                var value = run.Place(name).Of(expected);
                value.copy_(plain[name].Step(value, run.Place(name).Of(run.Parameters.Gradient())));
            }
            run.Hooks.BeforeUpdate(step, Rate);
            TensorAssert.Close(expected, run.Parameters.Flat.detach(), 1e-5, $"after step {step}, layer {drawn}");
        }
        Assert.IsTrue(turns.Count > 1, "one layer was drawn each time");
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
        run.Backward();
        var drawn = Drawn(run).Single();
        foreach (var (layer, name) in Names(run))
            Assert.AreEqual(layer == drawn, run.Place(name).Of(run.Parameters.Gradient()).any().item<bool>(), name);
        foreach (var name in new[] { RobertaNames.Words, "classifier.out_proj.weight" })
            Assert.IsTrue(run.Place(name).Of(run.Parameters.Gradient()).any().item<bool>(), name);
    }

    [TestMethod]
    [DataRow(true, 3)]
    [DataRow(false, 1)]
    public void MomentsAreThereForAllLayersOrForThoseThatAreDrawn(bool keep, int layers)
    {
        using var run = new TinyRun(new LisaMethod { Layers = 1, Keep = keep });
        var layer = run.Parameters.Parameters.Where(p => p.Name.StartsWith("roberta.encoder.layer.0.", StringComparison.Ordinal)).Sum(p => p.Count);
        Assert.AreEqual(layers * ((2 * layer) + 1), run.Hooks.State.Sum(s => s.Value.numel())); // and a count of steps
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
}
