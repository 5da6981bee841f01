using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>Autograd over a piece of the computation.</summary>
internal static class Tape
{
    /// <summary>The gradients of leaves that no other backward pass has reached.</summary>
    /// <param name="output">What was computed from the leaves.</param>
    /// <param name="gradient">Its gradient; null for a scalar's 1.</param>
    /// <param name="leaves">Tensors that require gradients.</param>
    /// <remarks>Not by autograd.grad: in TorchSharp 0.102.7 to 0.107.0 an error there ends the process instead of throwing.</remarks>
    public static Tensor[] Gradients(Tensor output, Tensor? gradient, params Tensor[] leaves)
    {
        autograd.backward([output], gradient is null ? null : [gradient], false, false, leaves);
        return Array.ConvertAll(leaves, leaf => leaf.grad ?? throw new InvalidOperationException("A leaf got no gradient."));
    }
}
