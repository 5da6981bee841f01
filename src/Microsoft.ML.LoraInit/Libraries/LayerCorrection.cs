using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// What an adapter adds to one linear layer's product with the shared base: y + s·x Aᵀ Bᵀ, or with DoRA
/// g ∘ (x Wᵀ + s·x Aᵀ Bᵀ) + b, where g = m / ‖W + s·B·A‖ a row is known once the adapter is.
/// </summary>
/// <param name="A">[r, in].</param>
/// <param name="B">[out, r].</param>
/// <param name="Scaling">s.</param>
/// <param name="Gain">DoRA's g [out], or null.</param>
/// <param name="Shift">b − g ∘ b [out]: gives back the bias that the gain took, or null.</param>
internal sealed record LayerCorrection(Tensor A, Tensor B, double Scaling, Tensor? Gain, Tensor? Shift)
{
    public IEnumerable<Tensor> Tensors => new[] { A, B, Gain, Shift }.OfType<Tensor>();

    /// <summary>Corrects a product in place.</summary>
    /// <param name="x">The layer's input [rows, length, in].</param>
    /// <param name="y">The base's x Wᵀ + b [rows, length, out]; may be a view.</param>
    public void Apply(Tensor x, Tensor y)
    {
        using var scope = NewDisposeScope();
        var delta = nn.functional.linear(nn.functional.linear(x, A), B);
        if (Gain is not null)
        {
            y.mul_(Gain).Add_(Shift!);
            delta.mul_(Gain);
        }
        y.Add_(delta, Scaling);
    }
}
