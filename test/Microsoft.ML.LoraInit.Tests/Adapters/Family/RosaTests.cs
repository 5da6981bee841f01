using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

[TestClass]
public sealed class RosaTests
{
    private const double Density = 0.1;

    [TestMethod]
    public void SIsAddedUnscaledAtItsPlaces()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var run = new TinyRun(new RosaMethod { Density = Density });
        foreach (var (linear, adapter) in Adapters(run))
        {
            var s = Fill(adapter);
            var x = randn(2, 3, linear.InFeatures, generator: new Generator(1));
            var expected = (adapter.B.Value.matmul(adapter.A.Value) * (6.0 / 4)) + s;
            TensorAssert.Close(x.matmul(expected.t()), linear.forward(x, ForwardContext.Inference) - linear.Affine(x), 1e-4, linear.Name);
            TensorAssert.Close(expected, adapter.EffectiveWeight(linear.Weight.Value) - linear.Weight.Value, 1e-5, linear.Name);
        }
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void PlacesAreThoseOfTheLargestGradientsOfTheWeight(bool squared)
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new RosaMethod { Density = Density, Warmup = 1, Gradients = 3, Squared = squared });
        var sums = new Dictionary<string, Tensor>();
        foreach (var (linear, _) in Adapters(run))
            linear.Weight.Replace(linear.Weight.Value.detach().clone().requires_grad_(true)); // tells its gradient by itself
        for (int step = 0; step < 4; step++)
        {
            run.Hooks.BeforeStep(step);
            run.Backward();
            using var noGrad = no_grad();
            foreach (var (linear, adapter) in Adapters(run))
            {
                var gradient = linear.Weight.Value.grad!;
                sums.TryAdd(linear.Name, zeros_like(gradient));
                if (step >= 1)
                    sums[linear.Name].add_(squared ? gradient.square() : gradient);
                gradient.zero_();
                Assert.IsFalse(run.Place(adapter.Values).Of(run.Parameters.Gradient()).any().item<bool>(), "S has a gradient before it has places");
            }
            run.Hooks.BeforeUpdate(step, 0.01);
            run.Hooks.AfterUpdate(step, 0.01);
            run.Parameters.Flat.detach().narrow(0, 0, run.Parameters.OptimizedCount).add_(randn(run.Parameters.OptimizedCount, generator: new Generator((ulong)step)), 0.3);
        }
        foreach (var (linear, adapter) in Adapters(run))
            CollectionAssert.AreEqual(Largest(sums[linear.Name], (int)adapter.Values.Count), Places(adapter), linear.Name);
    }

    [TestMethod]
    public void BeforeTheFirstStepSIsNoPartOfTheLoss()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new RosaMethod { Density = Density });
        run.Backward();
        foreach (var (_, adapter) in Adapters(run))
            Assert.IsFalse(run.Place(adapter.Values).Of(run.Parameters.Gradient()).any().item<bool>(), adapter.Values.Name);
    }

    [TestMethod]
    public void SMovesByAnAdamWOfItsOwnThatBeginsWithIt()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new RosaMethod { Density = Density, Warmup = 2 }, decay: 0.1);
        var (_, adapter) = Adapters(run).First();
        var place = run.Place(adapter.Values);
        var plain = new PlainAdamW(0.01, 0.1);
        for (int step = 0; step < 6; step++)
        {
            run.Hooks.BeforeStep(step);
            run.Backward();
            if (step >= 3)
                run.RandomGradient(step);
            using var noGrad = no_grad();
            var before = place.Of(run.Parameters.Flat.detach()).clone();
            run.Hooks.BeforeUpdate(step, 0.01);
            TensorAssert.Close(step < 3 ? zeros_like(before) : plain.Step(before, place.Of(run.Parameters.Gradient())), place.Of(run.Parameters.Flat.detach()), 1e-6, $"S after step {step}");
            run.Hooks.AfterUpdate(step, 0.01);
        }
    }

    [TestMethod]
    public void ARunThatIsCutOffWhileItCollectsEndsWithTheSameBits()
    {
        using var folder = new TemporaryFolder();
        FineTuningRequest Request(string? checkpoints) => ToyRun.Request(
            o => (o.Method, o.CheckpointDirectory, o.CheckpointEverySteps, o.MaxEpochs) = (new RosaMethod { Warmup = 1, Gradients = 3 }, checkpoints, checkpoints is null ? null : 1, 2), rows: 40);
        using var whole = FineTuningRun.Execute(Request(null));
        foreach (var last in new[] { 1, 3, 4 })
            Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Request(folder.Path) with { OnStep = step => { if (step == last) throw new TimeoutException(); } }));
        using var resumed = FineTuningRun.Execute(Request(folder.Path));
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
        var values = whole.State.Tensors.Where(t => t.Key.EndsWith(RosaKind.Values, StringComparison.Ordinal)).ToArray();
        Assert.IsTrue(values.Length > 0 && values.All(v => v.Value.count_nonzero().item<long>() > v.Value.numel() / 2), "S has learnt little");
    }

    [TestMethod]
    public void OverACorrectedBaseTheNearestLoraOfFullRankIsTheModel()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var run = new TinyRun(new RosaMethod { Density = Density }, start: f => f with { SubtractFromBase = true });
        foreach (var (_, adapter) in Adapters(run))
            Fill(adapter);
        using var state = FineTunedState.Capture(run.Model, run.Method, null);
        var merged = state.MergedWeights(run.Weights, CPU, ScalarType.Float32);
        foreach (var plain in PlainLoraConversion.Convert(state, module => run.Weights[$"{module}.weight"], 16))
            TensorAssert.Close(merged[$"{plain.Target.ModuleName}.weight"], plain.EffectiveWeight(run.Weights[$"{plain.Target.ModuleName}.weight"]), 1e-4, plain.Target.ModuleName);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => PlainLoraConversion.Convert(state, module => run.Weights[$"{module}.weight"])).Message, "rosa");
    }

    [TestMethod]
    [DataRow(16f)]
    [DataRow(0.5f)]
    [DataRow(float.NaN)]
    public void APlaceThatTheWeightDoesNotHaveIsRefused(float row)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var run = new TinyRun(new RosaMethod { Density = Density });
        var (_, adapter) = Adapters(run).First();
        adapter.Places.Value[0, 2] = row;
        using var state = FineTunedState.Capture(run.Model, run.Method, null);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => state.Rebuild(run.Weights)).Message, adapter.Places.Name);
    }

    [TestMethod]
    public void ARunWithoutAStepForSAndALayerWithoutAnEntryAreRefused()
    {
        var request = ToyRun.Request(o => (o.Method, o.MaxEpochs) = (new RosaMethod { Warmup = 3, Gradients = 2 }, 1), rows: 40);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningRun.Execute(request)).Message, "of 5 steps");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new TinyRun(new RosaMethod { Density = 0.001 })).Message, "Density = 0.001");
    }

    private static IEnumerable<(Linear Linear, RosaAdapter Adapter)> Adapters(TinyRun run) => run.Model.Linears.Select(l => (l, (RosaAdapter)l.Adapter!));

    // Random values at random places; gives S.
    private static Tensor Fill(RosaAdapter adapter)
    {
        var (entries, target) = (adapter.Values.Count, adapter.Target);
        var flat = randperm(target.OutFeatures * target.InFeatures, generator: new Generator(4)).narrow(0, 0, entries);
        adapter.Places.Value.copy_(stack([flat.floor_divide(target.InFeatures), flat.remainder(target.InFeatures)]));
        var values = randn(entries, generator: new Generator(5));
        adapter.Values.Replace(values.clone());
        adapter.Values.Rests = false;
        var s = zeros(target.OutFeatures, target.InFeatures);
        for (int i = 0; i < entries; i++)
            s[flat[i].item<long>() / target.InFeatures, flat[i].item<long>() % target.InFeatures] = values[i];
        return s;
    }

    private static long[] Largest(Tensor sum, int count) =>
        [.. sum.abs().reshape(-1).data<float>().ToArray().Select((v, i) => (v, i)).OrderByDescending(p => p.v).Take(count).Select(p => (long)p.i).Order()];

    private static long[] Places(RosaAdapter adapter)
    {
        var places = adapter.Places.Value.to(ScalarType.Int64);
        return [.. ((places[0] * adapter.Target.InFeatures) + places[1]).data<long>().ToArray()];
    }
}
