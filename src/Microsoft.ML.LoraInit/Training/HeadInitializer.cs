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

    /// <summary>A trained head with fresh rows for further outputs after its own; as <see cref="Create"/> otherwise.</summary>
    /// <param name="trained">Its tensors by name; stay the caller's.</param>
    /// <param name="config">The base's shape.</param>
    /// <param name="outputs">Of the wider head.</param>
    /// <param name="seed">Of the fresh rows.</param>
    /// <param name="device">Where it is wanted.</param>
    public static IReadOnlyDictionary<string, Tensor> Widen(IReadOnlyDictionary<string, Tensor> trained, RobertaConfig config, int outputs, int seed, Device device)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var head = Create(config, outputs, seed, device);
        foreach (var (name, value) in head)
            value.narrow(0, 0, trained[name].shape[0]).copy_(trained[name]);
        return head;
    }
}
