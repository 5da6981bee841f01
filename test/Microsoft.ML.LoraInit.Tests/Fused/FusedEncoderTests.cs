using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Fused;

/// <summary>The encoder with its backward pass written out, against autograd through the plain one.</summary>
[TestClass]
public sealed class FusedEncoderTests
{
    private static readonly RobertaConfig Undropped = TinyModel.Config with { HiddenDropout = 0, AttentionDropout = 0, ClassifierDropout = 0 };

    private static readonly Dictionary<string, AdapterSettings> ByName = new()
    {
        ["query and value"] = new() { Rank = 2, Alpha = 3 },
        ["all linear"] = new() { Rank = 3, Alpha = 4, TargetModules = TargetModules.AllLinear },
        ["key"] = new() { Rank = 2, TargetModules = TargetModules.Parse("key") },
        ["feed-forward of one layer"] = new() { Rank = 2, TargetModules = TargetModules.Parse("intermediate.dense"), LayersToTransform = [1] },
        ["last layer"] = new() { Rank = 2, LayersToTransform = [2] },
        ["ranks of their own"] = new() { Rank = 2, RankPattern = new Dictionary<string, int> { ["query"] = 5 }, RankStabilized = true },
    };

    private static readonly Dictionary<string, EncoderKernels> Kernels = new() { ["tensor"] = new TensorKernels(), ["host"] = new CpuKernels(), ["room"] = new RoomyKernels() };

    public static IEnumerable<object[]> Settings => from name in ByName.Keys from kernels in Kernels.Keys select new object[] { name, kernels };

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void OutputAndGradientsAreThoseOfThePlainEncoder(string name, string kernels)
    {
        var settings = ByName[name];
        foreach (var padded in new[] { true, false })
        {
            using var scope = NewDisposeScope();
            using var model = Adapted(Undropped, settings);
            using var parameters = new TrainableParameters(model.Parameters);
            var batch = padded ? TinyModel.Batch() : TinyModel.Batch() with { AttentionMask = null };
            var weight = Attach.Normal(4, Undropped.HiddenSize);

            parameters.Bind();
            var expected = model.Encode(batch, ForwardContext.Inference).select(1, 0);
            (expected * weight).sum().backward();
            var expectedGradient = parameters.Flat.grad!;

            using var encoder = FusedEncoder.TryCreate(model, parameters, Kernels[kernels])!;
            var gradient = zeros_like(expectedGradient);
            var (first, backward) = encoder.forward(batch, padded ? batch.AttentionMask!.sum([1L]) : null, null, gradient);
            backward(weight);

            AssertClose(expected, first, 1e-5, name);
            var start = parameters.Start(parameters.Parameters.First(p => p.Name.Contains("lora_A", StringComparison.Ordinal)))!.Value;
            Assert.IsTrue(expectedGradient.narrow(0, start, parameters.Count - start).abs().max().item<float>() > 1e-3f);
            AssertClose(expectedGradient, gradient, 5e-5, name);
        }
    }

    [TestMethod]
    public void WhereOnlyAIsTrainedBStaysAndIsReadAnewEveryStep()
    {
        foreach (var kernels in Kernels.Values)
        {
            using var scope = NewDisposeScope();
            using var model = Adapted(Undropped, ByName["all linear"]);
            var adapters = model.Linears.Select(l => l.Adapter).OfType<LoraAdapter>().ToArray();
            foreach (var adapter in adapters)
                adapter.B.Trained = false;
            using var parameters = new TrainableParameters(model.Parameters);
            using var encoder = FusedEncoder.TryCreate(model, parameters, kernels)!;
            foreach (var adapter in adapters)
                using (no_grad())
                    adapter.B.Value.mul_(0.5);
            CompareWithTape(model, parameters, encoder);
        }
    }

    [TestMethod]
    public void GradientsOfSeveralBatchesAddUpAndFollowTheValues()
    {
        foreach (var kernels in Kernels.Values)
        {
            using var scope = NewDisposeScope();
            using var model = Adapted(Undropped, ByName["ranks of their own"]);
            using var parameters = new TrainableParameters(model.Parameters);
            using var encoder = FusedEncoder.TryCreate(model, parameters, kernels)!;
            var weight = Attach.Normal(4, Undropped.HiddenSize);
            Tensor Gradient(int passes)
            {
                var gradient = ones_like(parameters.Flat.detach());
                for (int i = 0; i < passes; i++)
                    encoder.forward(TinyModel.Batch(), null, null, gradient).Backward(weight);
                return gradient - 1;
            }

            AssertClose(Gradient(1) * 3, Gradient(3), 1e-5, "three batches");
            using (no_grad())
                parameters.Flat.mul_(0.9);
            CompareWithTape(model, parameters, encoder);
        }
    }

    [TestMethod]
    public void KernelsWithRoomHaveProductsOfSeveralLayersUseIt()
    {
        using var scope = NewDisposeScope();
        using var model = Adapted(Undropped, ByName["query and value"]);
        using var parameters = new TrainableParameters(model.Parameters);
        var kernels = new RoomyKernels();
        using var encoder = FusedEncoder.TryCreate(model, parameters, kernels)!;
        encoder.forward(TinyModel.Batch(), null, null, zeros_like(parameters.Flat.detach())).Backward(Attach.Normal(4, Undropped.HiddenSize));
        CollectionAssert.AreEqual(new long[] { 8, 8, 0 }, kernels.NormRooms.Where((_, i) => i % 2 == 1).ToArray(), "of outputs");
        CollectionAssert.AreEqual(new long[] { 8, 8 }, kernels.AttentionRooms, "of gradients");
    }

    [TestMethod]
    public void EveryKindOfKernelsComputesTheSameUnderDropout()
    {
        using var scope = NewDisposeScope();
        using var model = Adapted(TinyModel.Config, ByName["all linear"]);
        using var parameters = new TrainableParameters(model.Parameters);
        var batch = TinyModel.Batch();
        var (lengths, weight) = (batch.AttentionMask!.sum([1L]), Attach.Normal(4, TinyModel.Config.HiddenSize));
        var results = Kernels.Values.Select(kernels =>
        {
            using var encoder = FusedEncoder.TryCreate(model, parameters, kernels)!;
            var gradient = zeros_like(parameters.Flat.detach());
            var (first, backward) = encoder.forward(batch, lengths, tensor(new[] { -77L }), gradient);
            backward(weight);
            return (First: first, Gradient: gradient);
        }).ToArray();
        Assert.IsTrue(results[0].Gradient.abs().max().item<float>() > 1e-3f);
        foreach (var other in results[1..])
        {
            AssertClose(results[0].First, other.First, 1e-5, "output");
            AssertClose(results[0].Gradient, other.Gradient, 5e-5, "gradient");
        }
    }

    [TestMethod]
    public void MasksMadeOnTheHostAreThoseOfTensorOperations()
    {
        using var scope = NewDisposeScope();
        foreach (var shape in new[] { new long[] { 1 }, [3, 7], [64, 128], [5, 1, 2] })
        {
            foreach (var (seed, index, keep) in new[] { (5L, 0, 0.9), (-5L, 77, 0.5), (long.MinValue, 3, 0.123) })
            {
                var mask = new DropoutMask(tensor(new[] { seed }), index, keep);
                var expected = Kernels["tensor"].Mask(shape, ScalarType.Float32, mask);
                var actual = Kernels["host"].Mask(shape, ScalarType.Float32, mask);
                CollectionAssert.AreEqual(shape, actual.shape);
                CollectionAssert.AreEqual(expected.data<float>().ToArray(), actual.data<float>().ToArray());
            }
        }
    }

    [TestMethod]
    [DataRow("tensor")]
    [DataRow("host")]
    [DataRow("room")]
    public void WithDropoutTheGradientIsThatOfTheFunctionWithItsMasks(string kernels)
    {
        using var scope = NewDisposeScope();
        using var model = Adapted(TinyModel.Config, new AdapterSettings { Rank = 4, TargetModules = TargetModules.AllLinear });
        using var parameters = new TrainableParameters(model.Parameters);
        using var encoder = FusedEncoder.TryCreate(model, parameters, Kernels[kernels])!;
        var batch = TinyModel.Batch();
        var (lengths, weight) = (batch.AttentionMask!.sum([1L]), Attach.Normal(4, TinyModel.Config.HiddenSize));
        var gradient = zeros_like(parameters.Flat.detach());
        double Objective(long seed, bool differentiate = false)
        {
            var (first, backward) = encoder.forward(batch, lengths, tensor(new[] { seed }), gradient);
            if (differentiate)
                backward(weight);
            return (first * weight).sum().item<float>();
        }

        var value = Objective(5, differentiate: true);
        Assert.AreEqual(value, Objective(5));
        Assert.AreNotEqual(value, Objective(6), 1e-3);

        // Along the gradient, where the slope is steepest against rounding.
        using var noGrad = no_grad();
        var direction = gradient / linalg.vector_norm(gradient, 2.0);
        const double Step = 1e-3;
        parameters.Flat.detach().add_(direction, Step);
        var above = Objective(5);
        parameters.Flat.detach().add_(direction, -2 * Step);
        var slope = (above - Objective(5)) / (2 * Step);
        var expected = linalg.vector_norm(gradient, 2.0).item<float>();
        Assert.AreEqual(expected, slope, 0.02 * expected);
    }

    [TestMethod]
    public void ItIsForPlainLoraOnly()
    {
        using var scope = NewDisposeScope();
        foreach (var settings in new[] { new AdapterSettings { Rank = 2, UseDora = true }, new AdapterSettings { Rank = 2, Dropout = 0.1 } })
        {
            using var model = Adapted(Undropped, settings);
            using var parameters = new TrainableParameters(model.Parameters);
            Assert.IsNull(FusedEncoder.TryCreate(model, parameters, new TensorKernels()));
        }
        using var bare = TinyModel.Create();
        using var head = new TrainableParameters(bare.Parameters);
        Assert.IsNull(FusedEncoder.TryCreate(bare, head, new TensorKernels()));
    }

    private static void CompareWithTape(RobertaClassifier model, TrainableParameters parameters, FusedEncoder encoder)
    {
        var (batch, weight) = (TinyModel.Batch(), Attach.Normal(4, Undropped.HiddenSize));
        parameters.Bind();
        parameters.Gradient().zero_();
        var expected = model.Encode(batch, ForwardContext.Inference).select(1, 0);
        (expected * weight).sum().backward();
        var gradient = zeros_like(parameters.Flat.detach());
        var (first, backward) = encoder.forward(batch, batch.AttentionMask!.sum([1L]), null, gradient);
        backward(weight);
        AssertClose(expected, first, 1e-5, "output");
        Assert.IsTrue(gradient.abs().max().item<float>() > 1e-3f);
        AssertClose(parameters.Gradient(), gradient, 5e-5, "gradient");
    }

    private static RobertaClassifier Adapted(RobertaConfig config, AdapterSettings settings)
    {
        using var weights = TinyModel.Base(config);
        var model = TinyModel.Create(weights);
        Attach.Random(model, settings);
        return model;
    }

    private static void AssertClose(Tensor expected, Tensor actual, double tolerance, string name)
    {
        using var noGrad = no_grad();
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        var scale = Math.Max(1, expected.abs().max().item<float>());
        Assert.AreEqual(0, (expected - actual).abs().max().item<float>() / scale, tolerance, name);
    }
}
