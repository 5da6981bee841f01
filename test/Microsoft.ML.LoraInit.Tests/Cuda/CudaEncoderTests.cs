using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

/// <summary>The whole fused encoder over kernels, whose rows have room, against the one over tensor operations, whose rows have none.</summary>
[TestClass]
[TestCategory("Gpu")]
public class CudaEncoderTests
{
    [TestMethod]
    [DataRow(ScalarType.Float32, false, 1e-3)]
    [DataRow(ScalarType.Float32, true, 1e-3)]
    [DataRow(ScalarType.BFloat16, false, 0.03)]
    [DataRow(ScalarType.BFloat16, true, 0.03)]
    public void OutputAndGradientsAreThoseOfTensorOperations(ScalarType type, bool all, double tolerance)
    {
        var kernels = CudaTest.Kernels(type);
        using var scope = NewDisposeScope();
        var config = TinyModel.Config with { HiddenSize = 128, Heads = 2, IntermediateSize = 256 };
        using var onHost = TinyModel.Base(config, type);
        // Matrices of N(0, 0.06): with the tiny model's own, at this width, rounding to bf16 alone changes gradients by half their norm.
        using var weights = new BaseWeights(config, TinyModel.Identity, onHost.Tensors.ToDictionary(t => t.Key, t => (t.Value * (t.Value.dim() == 2 ? 0.2 : 1)).cuda()));
        using var model = TinyModel.Create(weights);
        Attach.Random(model, all
            ? new AdapterSettings { Rank = 3, Alpha = 0.3, TargetModules = TargetModules.AllLinear }
            : new AdapterSettings { Rank = 8, Alpha = 0.8, RankPattern = new Dictionary<string, int> { ["query"] = 5 } });
        using var parameters = new TrainableParameters(model.Parameters);
        var ids = TinyModel.Batch().InputIds.cuda();
        var (batch, weight) = (new EncodedBatch(ids, ids.ne(1)), CudaTest.Random(4, type, 4, config.HiddenSize));

        foreach (var seed in new[] { null, tensor(new[] { -77L }).cuda() })
        {
            var (expected, expectedGradient) = Pass(new TensorKernels(), seed);
            var (actual, gradient) = Pass(kernels, seed);
            Assert.IsTrue(expectedGradient.abs().max().item<float>() > 1e-3f);
            Assert.IsTrue(Distance(actual, expected) <= tolerance, $"output: {Distance(actual, expected)}");
            Assert.IsTrue(Distance(gradient, expectedGradient) <= tolerance, $"gradient: {Distance(gradient, expectedGradient)}");
        }

        (Tensor First, Tensor Gradient) Pass(EncoderKernels by, Tensor? seed)
        {
            using var encoder = FusedEncoder.TryCreate(model, parameters, by)!;
            var gradient = zeros_like(parameters.Flat.detach());
            var (first, backward) = encoder.forward(batch, batch.AttentionMask!.sum([1L]), seed, gradient);
            backward(weight);
            return (first.to(ScalarType.Float32), gradient);
        }
    }

    private static double Distance(Tensor actual, Tensor expected) => (actual - expected).norm().item<float>() / expected.norm().item<float>();
}
