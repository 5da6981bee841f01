using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// What an adapter's product started from, where the layer keeps the untouched W and the adapter adds only what training changed:
/// y = x Wᵀ + b + s · x (B·A − B₀·A₀)ᵀ. In fp32 the same as the corrected weight W − s·B₀·A₀ with s·B·A beside it. In a half
/// precision that weight would be W rounded at the size of s·B₀·A₀, which can be many times W's own.
/// </summary>
/// <remarks>
/// The difference is never computed as one of two products, whose roundings would be as large: with N and N₀ (or none)
/// between the factors, B·N·A − B₀·N₀·A₀ = B₀·(N₀·ΔA + ΔN·A) + ΔB·N·A, so every term is as small as the change itself, and zero at the start.
/// </remarks>
internal sealed class SubtractedStart : IDisposable
{
    private readonly AdapterFactors _initial;

    /// <param name="initial">A₀ [r, in], B₀ [out, r] and N₀ [r, r] or null; copied.</param>
    /// <param name="device">Where the layer computes.</param>
    public SubtractedStart(AdapterFactors initial, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _initial = new(Keep(initial.A), Keep(initial.B), initial.N is null ? null : Keep(initial.N));

        Tensor Keep(Tensor value) => AdapterFactors.Copy(value, device).DetachFromDisposeScope();
    }

    /// <summary>A₀, B₀ and N₀, fp32 on the layer's device; owned by this.</summary>
    public AdapterFactors Initial => _initial;

    /// <summary>[N₀·ΔA + ΔN·A; N·A] [2r, in] and [B₀, ΔB] [out, 2r], whose product is B·N·A − B₀·N₀·A₀; fp32, in the caller's scope.</summary>
    public (Tensor Right, Tensor Left) Change(AdapterFactors now)
    {
        var (deltaA, deltaB) = (now.A - _initial.A, now.B - _initial.B);
        var (first, second) = now.N is null
            ? (deltaA, now.A)
            : (_initial.N!.matmul(deltaA).Add((now.N - _initial.N).matmul(now.A)), now.N.matmul(now.A));
        return (cat([first, second], 0), cat([_initial.B, deltaB], 1));
    }

    /// <summary>
    /// x (B·N·A − B₀·N₀·A₀)ᵀ [..., out] in x's type, not yet scaled. Dropout takes from B·N·A's input alone, as it does beside a
    /// corrected weight.
    /// </summary>
    /// <param name="x">[..., in].</param>
    /// <param name="dropped">x after dropout; the same object where there is none.</param>
    /// <param name="now">The factors of this step, fp32.</param>
    public Tensor Product(Tensor x, Tensor dropped, AdapterFactors now)
    {
        var (right, left) = Change(now);
        var delta = nn.functional.linear(nn.functional.linear(dropped, right.to(x.dtype)), left.to(x.dtype));
        if (ReferenceEquals(x, dropped))
            return delta;
        var inner = _initial.N is null ? _initial.A : _initial.N.matmul(_initial.A);
        return delta.Add_(nn.functional.linear(nn.functional.linear(dropped - x, inner.to(x.dtype)), _initial.B.to(x.dtype)));
    }

    public void Dispose()
    {
        _initial.A.Dispose();
        _initial.B.Dispose();
        _initial.N?.Dispose();
    }
}
