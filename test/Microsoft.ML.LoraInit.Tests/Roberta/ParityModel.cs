using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

/// <summary>The model and the batch that a parity folder's numbers were computed on.</summary>
internal static class ParityModel
{
    /// <summary>The base: the shared folder's copy where the numbers lie beside it, the embedded model elsewhere.</summary>
    public static CheckpointFiles Open(string folder)
    {
        var beside = Path.Combine(folder, "..", "models", "roberta-mini-8k");
        return (Directory.Exists(beside) ? RobertaCheckpoint.FromDirectory(beside) : RobertaCheckpoint.Mini).Open(null, CancellationToken.None);
    }

    public static RobertaClassifier Load(string folder, SafetensorsFile forward)
    {
        using var files = Open(folder);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var head = forward.Names.Where(n => n.StartsWith("classifier.", StringComparison.Ordinal)).ToDictionary(n => n, n => forward.Read(n));
        return new RobertaClassifier(weights, (int)head["classifier.out_proj.bias"].shape[0], head);
    }

    public static EncodedBatch Batch(SafetensorsFile file) =>
        new(file.Read("input_ids"), file.Read("attention_mask").to(ScalarType.Bool));
}

/// <summary>Comparisons that say how far off a value is.</summary>
internal static class TensorAssert
{
    public static void Close(Tensor expected, Tensor actual, double tolerance, string what)
    {
        using var scope = NewDisposeScope();
        CollectionAssert.AreEqual(expected.shape, actual.shape, $"{what}: shape");
        var worst = (expected.to(ScalarType.Float64) - actual.detach().cpu().to(ScalarType.Float64)).abs().max().item<double>();
        Assert.IsTrue(worst <= tolerance, $"{what}: off by {worst:g3}, allowed {tolerance:g3}");
    }

    public static void Identical(Tensor expected, Tensor actual, string what)
    {
        using var scope = NewDisposeScope();
        CollectionAssert.AreEqual(expected.shape, actual.shape, $"{what}: shape");
        CollectionAssert.AreEqual(Bytes(expected), Bytes(actual), $"{what}: bits");
    }

    public static byte[] Bytes(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().cpu().contiguous().bytes.ToArray();
    }
}
