using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>What a variant of LoRA put on a layer, as A, B and what lies between them.</summary>
internal static class AttachedFactors
{
    // What is below this share of the largest singular value is rounding: the tensors are fp32.
    private const double Rounding = 1e-6;

    /// <summary>
    /// With a gate, A, diag(g) and B. Of tensors that are no A and B, the plain LoRA that adds the same; where there is none of low rank, the
    /// change's own singular vectors, each with the root of its value. In the caller's scope.
    /// </summary>
    /// <param name="method">Whose adapter it is.</param>
    /// <param name="adapter">As it starts.</param>
    /// <param name="made">What the initialisation made for the layer.</param>
    public static InitializedAdapter Of(LoraFamilyMethod method, LinearAdapter adapter, InitializedAdapter made)
    {
        if (adapter is GatedAdapter gated)
            return made with { A = gated.A.Value, B = gated.B.Value, N = diag(gated.Gates) };
        if (adapter is LowRankAdapter)
            return made;
        var parts = adapter.Parameters.ToDictionary(p => p.Name[adapter.Target.ModuleName.Length..], p => p.Value, StringComparer.Ordinal);
        var (a, b, _) = method.Form.Factors(adapter.Target, suffix => parts[suffix]) ?? Decomposed(adapter);
        return made with { A = a, B = b };
    }

    private static AdapterFactors Decomposed(LinearAdapter adapter)
    {
        var target = adapter.Target;
        var nothing = zeros(target.OutFeatures, target.InFeatures, device: adapter.Parameters[0].Value.device);
        var (u, s, vh) = Linalg.Svd(adapter.EffectiveWeight(nothing).to(ScalarType.Float64).Div(adapter.Scaling), false);
        var rank = Math.Max(1, s.gt(s[0].Mul(Rounding)).sum().item<long>());
        var root = s.narrow(0, 0, rank).sqrt();
        return new(root.unsqueeze(1) * vh.narrow(0, 0, rank), u.narrow(1, 0, rank) * root);
    }
}
