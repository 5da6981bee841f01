using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.FullFamily;

[TestClass]
public sealed class GaloreTests
{
    private const double Rate = 0.01, Decay = 0.1;

    [TestMethod]
    [DataRow("encoder.layer.0.attention.self.query.weight")]
    [DataRow("encoder.layer.1.intermediate.dense.weight")]
    [DataRow("encoder.layer.1.output.dense.weight")]
    public void AWeightMovesAsTheFormulaSays(string name)
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new GaloreMethod { Rank = 3, Gap = 2, Scale = 0.5 }, Decay);
        var place = run.Place($"roberta.{name}");
        var plain = new PlainGalore(3, 2, 0.5);
        using var noGrad = no_grad();
        for (int step = 0; step < 5; step++)
        {
            run.RandomGradient(step);
            var expected = plain.Step(place.Of(run.Parameters.Flat.detach()).clone(), place.Of(run.Parameters.Gradient()), step);
            run.Hooks.BeforeUpdate(step, Rate);
            TensorAssert.Close(expected, place.Of(run.Parameters.Flat.detach()), 1e-5, $"{name} after step {step}");
        }
    }

    [TestMethod]
    public void AnUpdateHasTheRankOfTheSubspace()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new GaloreMethod { Rank = 3 }, Decay);
        var place = run.Place("roberta.encoder.layer.0.intermediate.dense.weight");
        using var noGrad = no_grad();
        run.RandomGradient(5);
        var before = place.Of(run.Parameters.Flat.detach()).clone();
        run.Hooks.BeforeUpdate(0, Rate);
        var change = place.Of(run.Parameters.Flat.detach()) - (before * (1 - (Rate * Decay)));
        Assert.AreEqual(3, linalg.svdvals(change).gt(1e-5).sum().item<long>());
    }

    [TestMethod]
    public void MomentsAreOfTheSubspaceAndAdamWHasNoneForTheseWeights()
    {
        using var run = new TinyRun(new GaloreMethod { Rank = 3 });
        var weights = run.Parameters.Parameters.Where(p => p.Name.StartsWith("roberta.encoder.", StringComparison.Ordinal) && p.Shape.Length == 2).ToArray();
        Assert.AreEqual(18, weights.Length);
        Assert.AreEqual(weights.Sum(w => (2 * 3 * w.Shape.Max()) + (3 * w.Shape.Min())), run.Hooks.State.Sum(s => s.Value.numel()));
        Assert.AreEqual(run.Parameters.Count - weights.Sum(w => w.Count), run.Parameters.OptimizedCount);
    }

    [TestMethod]
    public void ARankThatNoGradientHasIsRefused()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => new GaloreMethod { Rank = 17 }.Validate(TinyModel.Config));
        StringAssert.Contains(error.Message, "a rank of 17");
    }

    [TestMethod]
    public void AGradientThatIsNotFiniteEndsTheRunAsOneThatDiverged() => Assert.ThrowsExactly<TrainingDivergedException>(() =>
        FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.InitialLearningRate, o.MaxGradientNorm) = (FineTuningMethod.Galore(), 1e30, 0), rows: 40)).Dispose());

    /// <summary>GaLore of one weight, spelt out in fp64.</summary>
    private sealed class PlainGalore(int rank, int gap, double scale)
    {
        private readonly PlainAdamW _adam = new(0, 0);
        private Tensor? _p; // columns

        public Tensor Step(Tensor weight, Tensor gradient, int step)
        {
            var (w, g) = (weight.to(ScalarType.Float64), gradient.to(ScalarType.Float64));
            var right = g.shape[0] >= g.shape[1];
            if (step % gap == 0)
            {
                var (u, _, vh) = linalg.svd(g, false);
                _p = right ? vh[..rank].t() : u[TensorIndex.Colon, ..rank];
            }
            var low = right ? g.matmul(_p!) : _p!.t().matmul(g);
            var d = _adam.Direction(low);
            return (w * (1 - (Rate * Decay))) - (Rate * scale * (right ? d.matmul(_p!.t()) : _p!.matmul(d)));
        }
    }
}
