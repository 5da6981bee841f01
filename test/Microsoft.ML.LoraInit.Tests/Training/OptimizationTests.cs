using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public sealed class OptimizationTests
{
    private static readonly float[] Start = [1f, -2f, 0.5f, 3f, -0.25f];

    // AdamW written out in double precision, one element at a time (arXiv 1711.05101, algorithm 2).
    private static double[] Reference(AdamWSettings settings, double[] rates, double[] decays, double[] factors)
    {
        var value = Start.Select(v => (double)v).ToArray();
        var (m, v) = (new double[value.Length], new double[value.Length]);
        for (int t = 1; t <= rates.Length; t++)
            for (int i = 0; i < value.Length; i++)
            {
                var g = Gradient(value[i]);
                var rate = rates[t - 1] * factors[i];
                value[i] -= rate * decays[i] * value[i];
                m[i] = settings.Beta1 * m[i] + (1 - settings.Beta1) * g;
                v[i] = settings.Beta2 * v[i] + (1 - settings.Beta2) * g * g;
                var (mHat, vHat) = (m[i] / (1 - Math.Pow(settings.Beta1, t)), v[i] / (1 - Math.Pow(settings.Beta2, t)));
                value[i] -= rate * mHat / (Math.Sqrt(vHat) + settings.Epsilon);
            }
        return value;
    }

    // The gradient of Σ x³/3.
    private static double Gradient(double x) => x * x;

    private static void Step(TrainableParameters parameters, FlatAdamW optimizer, double rate)
    {
        using var scope = NewDisposeScope();
        optimizer.ZeroGradient();
        (parameters.Flat.pow(3) / 3).sum().backward();
        optimizer.Step(rate);
    }

    private static Parameter[] Two(bool biasDecays = false, double factor = 1)
    {
        using var scope = NewDisposeScope();
        return
        [
            new("a.weight", tensor(Start[..3]), owned: true) { Trained = true },
            new("a.bias", tensor(Start[3..]), owned: true, decay: biasDecays) { Trained = true, LearningRateFactor = factor },
        ];
    }

    [TestMethod]
    [DataRow(false, false, 1.0)]
    [DataRow(false, true, 1.0)]
    [DataRow(true, false, 1.0)]
    [DataRow(false, false, 4.0)]
    public void StepsAreThoseOfAdamW(bool biasDecays, bool everything, double factor)
    {
        var settings = new AdamWSettings { WeightDecay = 0.1, DecayEverything = everything, Epsilon = 1e-3, Beta2 = 0.99 };
        double[] rates = [0, 0.01, 0.02, 0.015, 0.01, 0.005];
        using var parameters = new TrainableParameters(Two(biasDecays, factor));
        using var optimizer = new FlatAdamW(parameters, settings);

        foreach (var rate in rates)
            Step(parameters, optimizer, rate);

        var biasDecay = biasDecays || everything ? 0.1 : 0;
        var expected = Reference(settings, rates, [0.1, 0.1, 0.1, biasDecay, biasDecay], [1, 1, 1, factor, factor]);
        using var scope = NewDisposeScope();
        TensorAssert.Close(tensor(expected), parameters.Flat, 2e-6, "values");
        Assert.AreEqual(rates.Length, optimizer.Steps);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void WhatAMethodMovesStaysAndHasNoMoments(bool onDevice)
    {
        using var scope = NewDisposeScope();
        var two = Two();
        two[0].MovedByMethod = true;
        using var parameters = new TrainableParameters(two);
        using var optimizer = new FlatAdamW(parameters, new());
        Assert.AreEqual(two[1], parameters.Parameters[0]); // the optimiser's come first
        using (no_grad())
            parameters.Gradient().fill_(1);
        if (onDevice)
            optimizer.Update(tensor(optimizer.NextScalars(0.1)), 0, null);
        else
            optimizer.Step(0.1);
        var state = optimizer.ExportState();
        Assert.AreEqual(2, state["exp_avg"].numel());
        var after = parameters.Snapshot();
        TensorAssert.Identical(tensor(Start[..3]), after["a.weight"], "a.weight");
        Assert.AreEqual(Start[3] - 0.1, after["a.bias"][0].item<float>(), 1e-5);
        Assert.AreEqual(!onDevice, parameters.Gradient().all().item<bool>());
        Steps.Free(state);
        Steps.Free(after);
    }

    [TestMethod]
    public void StateGoesOnExactly()
    {
        using var scope = NewDisposeScope();
        using var parameters = new TrainableParameters(Two());
        using var optimizer = new FlatAdamW(parameters, new());
        Step(parameters, optimizer, 0.1);
        Step(parameters, optimizer, 0.1);
        var (values, state) = (parameters.Snapshot(), optimizer.ExportState());
        Step(parameters, optimizer, 0.1);

        using var others = new TrainableParameters(Two());
        using var other = new FlatAdamW(others, new());
        others.Restore(values);
        other.ImportState(state);
        Step(others, other, 0.1);

        TensorAssert.Identical(parameters.Flat, others.Flat, "values");
        Assert.AreEqual(3, other.Steps);
        Steps.Free(values);
        Steps.Free(state);
    }

    [TestMethod]
    public void AForeignStateIsRefused()
    {
        using var scope = NewDisposeScope();
        using var parameters = new TrainableParameters(Two());
        using var optimizer = new FlatAdamW(parameters, new());
        var state = optimizer.ExportState();
        state["exp_avg"] = zeros(4);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => optimizer.ImportState(state)).Message, "exp_avg");
        state.Remove("exp_avg");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => optimizer.ImportState(state)).Message, "exp_avg");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => parameters.Restore(new Dictionary<string, Tensor>())).Message, "a.weight");
    }

    [TestMethod]
    public void SettingsOutOfRangeAreRefused()
    {
        using var parameters = new TrainableParameters(Two());
        foreach (var bad in new AdamWSettings[] { new() { Beta1 = 1 }, new() { Beta2 = double.NaN }, new() { Epsilon = -1 }, new() { WeightDecay = double.PositiveInfinity } })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new FlatAdamW(parameters, bad));
    }

    [TestMethod]
    public void AStepWithoutAGradientIsAnError()
    {
        using var parameters = new TrainableParameters(Two());
        using var optimizer = new FlatAdamW(parameters, new());
        Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(0.1));
        Assert.ThrowsExactly<InvalidOperationException>(() => GradientClipping.Apply(parameters, 1));
    }

    [TestMethod]
    [DataRow(1.0, 1.0 / (5 + 1e-6))]
    [DataRow(10.0, 1.0)]
    [DataRow(0.0, 1.0)]
    public void ClippingScalesByTheGlobalNorm(double maximum, double factor)
    {
        using var scope = NewDisposeScope();
        using var parameters = new TrainableParameters([new("w", tensor(new float[] { 0, 0 }), owned: true) { Trained = true }]);
        (parameters.Flat * tensor(new float[] { 3, -4 })).sum().backward();
        var norm = GradientClipping.Apply(parameters, maximum);
        Assert.AreEqual(5.0, norm.item<float>(), 1e-6);
        TensorAssert.Close(tensor(new[] { 3 * factor, -4 * factor }), parameters.Flat.grad!, 1e-6, "gradient");
    }

    // Values of transformers' schedules for a peak of 1, 2 warm-up steps and 6 steps.
    [TestMethod]
    [DataRow(LearningRateSchedule.Linear, new[] { 0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0 })]
    [DataRow(LearningRateSchedule.Cosine, new[] { 0, 0.5, 1, 0.85355339, 0.5, 0.14644661, 0, 0.14644661 })]
    [DataRow(LearningRateSchedule.Constant, new[] { 0, 0.5, 1, 1, 1, 1, 1, 1 })]
    public void SchedulesAreThoseOfTransformers(LearningRateSchedule schedule, double[] expected)
    {
        var rate = new LearningRate(schedule, 2.0, 2, 6);
        for (int step = 0; step < expected.Length; step++)
            Assert.AreEqual(2 * expected[step], rate.At(step), 1e-7, $"step {step}");
    }

    [TestMethod]
    public void WarmupIsAShareRoundedUp()
    {
        Assert.AreEqual(7, LearningRate.WithWarmupRatio(LearningRateSchedule.Linear, 1, 0.06, 101).WarmupSteps);
        Assert.AreEqual(0, LearningRate.WithWarmupRatio(LearningRateSchedule.Linear, 1, 0, 101).WarmupSteps);
        Assert.AreEqual(1.0, LearningRate.WithWarmupRatio(LearningRateSchedule.Linear, 1, 0, 101).At(0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LearningRate.WithWarmupRatio(LearningRateSchedule.Linear, 1, 1, 10));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRate(LearningRateSchedule.Linear, double.NaN, 0, 10));
    }

    [TestMethod]
    public void HeadIsNormalAndSeeded()
    {
        using var scope = NewDisposeScope();
        var config = StateDictTests.Published["distilroberta-base"];
        var (first, again, other) = (HeadInitializer.Create(config, 3, 5, CPU), HeadInitializer.Create(config, 3, 5, CPU), HeadInitializer.Create(config, 3, 6, CPU));
        var dense = first["classifier.dense.weight"];
        CollectionAssert.AreEqual(new long[] { 3, 768 }, first["classifier.out_proj.weight"].shape);
        Assert.AreEqual(0.02, dense.std().item<float>(), 2e-4);
        Assert.AreEqual(0, dense.mean().item<float>(), 2e-4);
        Assert.AreEqual(0, first["classifier.dense.bias"].abs().max().item<float>() + first["classifier.out_proj.bias"].abs().max().item<float>());
        TensorAssert.Identical(dense, again["classifier.dense.weight"], "the same seed");
        Assert.IsFalse(TensorAssert.Bytes(dense).AsSpan().SequenceEqual(TensorAssert.Bytes(other["classifier.dense.weight"])), "another seed");
        foreach (var head in new[] { first, again, other })
            Steps.Free(new(head));
    }

    [TestMethod]
    public void TwentyStepsWithDropoutAreReproducibleBitForBit()
    {
        Dictionary<string, Tensor> Run(int seed)
        {
            using var model = TinyModel.Create();
            LoraInit.Tests.Adapters.AdapterTests.Attach(model, settings: LoraInit.Tests.Adapters.AdapterTests.Settings with { Dropout = 0.2 });
            return Steps.Run(model, 20, dropoutSeed: seed);
        }
        // Draws from the global generator in between must not matter.
        using var scope = NewDisposeScope();
        var first = Run(4);
        rand(17);
        var (again, other) = (Run(4), Run(5));
        foreach (var (name, value) in first)
            TensorAssert.Identical(value, again[name], name);
        Assert.IsTrue(first.Any(t => !TensorAssert.Bytes(t.Value).AsSpan().SequenceEqual(TensorAssert.Bytes(other[t.Key]))), "another seed gives other weights");
        foreach (var tensors in new[] { first, again, other })
            Steps.Free(tensors);
    }

    [TestMethod]
    public void TrainingInBf16KeepsFp32Parameters()
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base(dtype: ScalarType.BFloat16);
        using var model = TinyModel.Create(weights);
        foreach (var parameter in model.BaseParameters)
            parameter.Trained = true;
        using var parameters = new TrainableParameters(model.Parameters);
        parameters.Bind();
        Assert.AreEqual(ScalarType.Float32, parameters.Flat.dtype);
        Assert.AreEqual(ScalarType.BFloat16, model.Embeddings.Word.Value.dtype);
        Assert.AreEqual(ScalarType.Float32, model.Head.Dense.Weight.Value.dtype);
    }
}
