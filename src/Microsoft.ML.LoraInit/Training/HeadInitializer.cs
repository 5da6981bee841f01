using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// A fresh classification head, as transformers starts it: weights ~ N(0, <c>initializer_range</c>), biases zero.
/// </summary>
internal static class HeadInitializer
{
    /// <summary>The head's tensors by name, fp32 on <paramref name="device"/>, for <see cref="RobertaClassifier"/> to take over.</summary>
    /// <remarks>Drawn on the CPU, so that a seed gives the same head on every device.</remarks>
    public static IReadOnlyDictionary<string, Tensor> Create(RobertaConfig config, int outputs, int seed, Device device)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        using var noGrad = no_grad();
        var head = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, shape) in ClassificationHead.Layout(config, outputs))
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(SeededRandom.Hash(seed, name), CPU);
            var value = shape.Length == 1 ? zeros(shape) : empty(shape).normal_(0.0, config.InitializerRange, generator);
            head.Add(name, value.to(device).DetachFromDisposeScope());
        }
        return head;
    }
}
