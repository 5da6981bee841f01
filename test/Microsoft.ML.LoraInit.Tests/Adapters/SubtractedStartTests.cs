using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Fused;
using Microsoft.ML.LoraInit.Tests.Initialization;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>A corrected base in half precision: the weight stays, and the adapter adds what training changed.</summary>
[TestClass]
public sealed class SubtractedStartTests
{
    /// <summary>s·B·A of many times the weight's size, as of IniLoRA's alpha.</summary>
    private static InitializedAdapter Large(InitializedAdapter f) => f with { A = f.A * 3, B = f.B * 3, SubtractFromBase = true };

    [TestMethod]
    [DataRow(false, 0.0)]
    [DataRow(true, 0.01)]
    public void AProductThatCancelsIsNothingInBFloat16Too(bool dora, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base(dtype: ScalarType.BFloat16);
        using var model = TinyModel.Create(weights);
        var before = Last(model);
        var settings = AdapterTests.Settings with { UseDora = dora };
        var targets = AdapterPlanner.Plan(settings, model.Config);
        AdapterAttacher.Attach(model, targets, LoraInitialization.Orthogonal().Initialize(FakeContext.Random(targets)), settings);
        Assert.AreEqual(0, Distance(Last(model), before), tolerance);
    }

    [TestMethod]
    [DataRow(false, false, 0.0, DisplayName = "LoRA")]
    [DataRow(true, false, 0.01, DisplayName = "DoRA")]
    [DataRow(false, true, 0.0, DisplayName = "three matrices")]
    public void InBFloat16TheFunctionIsTheUntouchedBases(bool dora, bool middle, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base(dtype: ScalarType.BFloat16);
        using var model = TinyModel.Create(weights);
        var before = Last(model);

        AdapterTests.Attach(model, Large, AdapterTests.Settings with { UseDora = dora }, middle);

        Assert.IsTrue(model.Linears.All(l => l.Adapter is null || ReferenceEquals(l.Weight.Value, weights[$"{l.Name}.weight"])), "a weight was copied");
        Assert.AreEqual(0, Distance(Last(model), before), tolerance);
    }

    [TestMethod]
    [DataRow(false, false, DisplayName = "LoRA")]
    [DataRow(true, false, DisplayName = "DoRA")]
    [DataRow(false, true, DisplayName = "three matrices")]
    public void InBFloat16WhatTrainingAddsIsThatOfFullPrecision(bool dora, bool middle)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var half = TinyModel.Base(dtype: ScalarType.BFloat16);
        using var full = new BaseWeights(half.Config, half.Identity, half.Tensors.ToDictionary(t => t.Key, t => t.Value.to(ScalarType.Float32)));
        using var expected = Trained(full);
        using var actual = Trained(half);
        using var plainFull = TinyModel.Create(full);
        using var plainHalf = TinyModel.Create(half);

        var added = Last(expected) - Last(plainFull);
        var ratio = Distance(Last(actual) - Last(plainHalf), added);

        Assert.IsTrue(added.norm().item<float>() > 1, "the change is too small to be judged");
        Assert.IsTrue(ratio < 0.05, $"what training added is off by {ratio} of its norm");

        RobertaClassifier Trained(BaseWeights weights)
        {
            var model = TinyModel.Create(weights);
            AdapterTests.Attach(model, Large, AdapterTests.Settings with { UseDora = dora }, middle);
            foreach (var parameter in model.Linears.SelectMany(l => l.Adapter?.Parameters ?? []).Where(p => !p.Name.Contains("magnitude", StringComparison.Ordinal)))
            {
                using var generator = new Generator(SeededRandom.Hash(11, parameter.Name), CPU);
                parameter.Replace(parameter.Value + empty(parameter.Shape).normal_(0.0, 0.05, generator));
            }
            return model;
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ItsProductIsTheDifferenceOfTwoProducts(bool middle)
    {
        using var scope = NewDisposeScope();
        var (now, initial) = (Factors(1, middle), Factors(2, middle));
        var (x, dropped) = (Draw(3, 5, 8), Draw(4, 5, 8));
        using var start = new SubtractedStart(initial, CPU);

        var expected = nn.functional.linear(dropped, now.Product()) - nn.functional.linear(x, initial.Product());

        TensorAssert.Close(expected, start.Product(x, dropped, now), 1e-4, "with dropout");
        TensorAssert.Close(nn.functional.linear(x, now.Product() - initial.Product()), start.Product(x, x, now), 1e-4, "without");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void TheFusedEncoderComputesWhatThePlainOneDoes(bool room)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base(TinyModel.Config with { HiddenDropout = 0, AttentionDropout = 0 });
        using var model = TinyModel.Create(weights);
        AdapterTests.Attach(model, settings: new AdapterSettings { Rank = 2, RankPattern = new Dictionary<string, int> { ["query"] = 5 }, TargetModules = TargetModules.AllLinear });
        foreach (var adapter in model.Linears.Select(l => (LowRankAdapter)l.Adapter!))
            adapter.Start = new SubtractedStart(new(Draw(5, adapter.A.Shape), Draw(6, adapter.B.Shape)), CPU);
        using var parameters = new TrainableParameters(model.Parameters);
        var (batch, weight) = (TinyModel.Batch(), Draw(7, 4, weights.Config.HiddenSize));

        parameters.Bind();
        var expected = model.Encode(batch, ForwardContext.Inference).select(1, 0);
        (expected * weight).sum().backward();
        using var encoder = FusedEncoder.TryCreate(model, parameters, room ? new RoomyKernels() : new TensorKernels())!;
        var gradient = zeros_like(parameters.Flat.detach());
        var (first, backward) = encoder.forward(batch, batch.AttentionMask!.sum([1L]), null, gradient);
        backward(weight);

        using var noGrad = no_grad();
        TensorAssert.Close(expected, first, 1e-4, "output");
        Assert.AreEqual(0, Distance(gradient, parameters.Flat.grad!), 1e-4, "gradient");
    }

    [TestMethod]
    public void TheFusedEncoderLeavesTheFunctionInBFloat16()
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base(TinyModel.Config with { HiddenDropout = 0, AttentionDropout = 0 }, ScalarType.BFloat16);
        using var model = TinyModel.Create(weights);
        AdapterTests.Attach(model, f => f with { B = zeros_like(f.B) });
        using var corrected = TinyModel.Create(weights);
        AdapterTests.Attach(corrected, Large);

        TensorAssert.Identical(First(model), First(corrected), "first tokens' states");

        static Tensor First(RobertaClassifier model)
        {
            using var parameters = new TrainableParameters(model.Parameters);
            using var encoder = FusedEncoder.TryCreate(model, parameters, new TensorKernels())!;
            return encoder.forward(TinyModel.Batch(), TinyModel.Batch().AttentionMask!.sum([1L]), null, zeros_like(parameters.Flat.detach())).First.to(ScalarType.Float32);
        }
    }

    private static AdapterFactors Factors(int seed, bool middle) =>
        new(Draw(10 * seed, 3, 8), Draw((10 * seed) + 1, 6, 3), middle ? Draw((10 * seed) + 2, 3, 3) : null);

    private static Tensor Draw(int seed, params long[] shape)
    {
        using var noGrad = no_grad();
        using var generator = new Generator((ulong)seed, CPU);
        return empty(shape).normal_(0.0, 0.3, generator);
    }

    private static Tensor Last(RobertaClassifier model) => model.Encode(TinyModel.Batch(), ForwardContext.Inference).to(ScalarType.Float32);

    private static double Distance(Tensor actual, Tensor expected) => (actual - expected).norm().item<float>() / expected.norm().item<float>();
}
