using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Adam's two moments of something that a method moves itself, with the constants of <c>torch.optim.AdamW</c>.</summary>
internal sealed class AdamMoments : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;

    private readonly Tensor _first, _second;

    /// <param name="device">Where they lie.</param>
    /// <param name="shape">That of the gradients.</param>
    public AdamMoments(Device device, params long[] shape)
    {
        using var noGrad = no_grad();
        _first = zeros(shape, device: device).DetachFromDisposeScope();
        _second = zeros(shape, device: device).DetachFromDisposeScope();
    }

    /// <summary>Takes a gradient in and gives Adam's direction, m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε), in the caller's scope.</summary>
    /// <param name="gradient">Of the moments' shape.</param>
    /// <param name="steps">t: how many gradients they have seen with this one.</param>
    public Tensor Direction(Tensor gradient, long steps)
    {
        _first.Mul_(Beta1).Add_(gradient, 1 - Beta1);
        _second.Mul_(Beta2).Addcmul_(gradient, gradient, 1 - Beta2);
        var denominator = _second.sqrt().Div(Math.Sqrt(1 - Math.Pow(Beta2, steps))).Add_(Epsilon);
        return _first.Div(1 - Math.Pow(Beta1, steps)) / denominator;
    }

    /// <summary>Forgets every gradient.</summary>
    public void Clear()
    {
        using var scope = NewDisposeScope();
        _first.zero_();
        _second.zero_();
    }

    /// <summary>What a checkpoint holds of them.</summary>
    /// <param name="name">What the two names begin with.</param>
    public IEnumerable<KeyValuePair<string, Tensor>> State(string name) => [new($"{name}/first", _first), new($"{name}/second", _second)];

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }
}
