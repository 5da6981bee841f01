using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Singular values trained over a base without its smallest ones. See <see cref="KasaMethod"/>.</summary>
    public static FineTuningMethod Kasa() => new KasaMethod();
}

/// <summary>
/// KaSA (arXiv 2412.06071): the base loses its r smallest singular triplets, W − Σ uᵢσᵢvᵢᵀ, which count as noise, and gets s·B·diag(d)·A with
/// A [r, in], d [r], B [out, r]; d is kept small, and A's rows and B's columns near orthonormal.
/// </summary>
/// <remarks>
/// As huggingface/peft (5d602fd, tuners/lora/variants.py, KasaLinearVariant) and the authors (juyongjiang/KaSA f85e88c, main.py) do: d ~ N(0, 1) and
/// B zero, so that the start is the truncated base; an initialisation whose factors both are not zero starts with d = 1. The loss gets the mean over the layers of β·‖d‖² + γ·(‖A·Aᵀ − I‖ + ‖Bᵀ·B − I‖), the paper's
/// equations 9 to 11; the authors' script takes AᵀA and BBᵀ, which are no smaller than √(in − r), and PEFT sums over the layers. Goes with
/// initialisations that leave the base alone, and not with a base in 4 bits. Merges into plain weights; as a LoRA over the untouched base it
/// has twice the rank.
/// </remarks>
public sealed record KasaMethod : LoraFamilyMethod
{
    internal const string Diagonal = ".lora_diag";

    /// <summary>β, at least 0: the weight of ‖d‖². Default 1e-4, as for GLUE.</summary>
    [JsonPropertyName("beta")]
    public double Beta { get; init => field = Adapters.Family.Setting.NotNegative(value, nameof(Beta)); } = 1e-4;

    /// <summary>γ, at least 0: the weight of the distance from orthonormal factors. Default 1e-3, as for GLUE.</summary>
    [JsonPropertyName("gamma")]
    public double Gamma { get; init => field = Adapters.Family.Setting.NotNegative(value, nameof(Gamma)); } = 1e-3;

    /// <inheritdoc/>
    public override string Name => "kasa";

    internal override bool CorrectsBase => true;

    internal override AdapterKind Form => DiagonalKind;

    private static GatedKind DiagonalKind { get; } = new("kasa", Diagonal, decay: true);

    internal override void Check(AdapterTarget target)
    {
        if (target.Rank >= Math.Min(target.InFeatures, target.OutFeatures))
            throw new ArgumentException($"The method 'kasa' takes the {target.Rank} smallest singular values from '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}] and would leave none: use a lower Rank.");
    }

    internal override FamilyStart Start(FamilyLayer layer)
    {
        var rank = layer.Target.Rank;
        var (u, s, vh) = Linalg.Svd(layer.Weight.Value.to(ScalarType.Float64), false); // in fp32 the smallest are rounding
        // One triplet stays, also where data chose a rank as large as the weight's (EVA); zeros make up the number.
        var first = Math.Max(1, s.shape[0] - rank);
        var (lost, missing) = (s.shape[0] - first, rank - (s.shape[0] - first));
        var a = s.narrow(0, first, lost).Div(layer.Target.Scaling).unsqueeze(1) * vh.narrow(0, first, lost);
        // The base becomes W − s·B₀·A₀: its stored form, of a few MB, and exact in bf16.
        var smallest = new AdapterFactors(nn.functional.pad(a, [0, 0, 0, missing]), nn.functional.pad(u.narrow(1, first, lost), [0, missing]));
        // Where the product is not zero, it is the one that was made.
        var diagonal = layer.StartsAtNothing ? layer.Normal("kasa/diagonal", 1, rank) : layer.Ones(rank);
        return layer.AsMade((Diagonal, diagonal)) with { Correction = BaseCorrection.Subtract(smallest) };
    }

    internal override MethodHooks Hooks(MethodRun run) => new KasaHooks(run.Adapters<GatedAdapter>(), Beta, Gamma);

    private sealed class KasaHooks(IReadOnlyList<GatedAdapter> adapters, double beta, double gamma) : MethodHooks
    {
        public override Tensor Penalty() =>
            cat([.. adapters.Select(a => a.Gate.Value)]).Square().sum().Mul(beta).Add(Orthogonality.Of(adapters).Mul(gamma)).Div(adapters.Count);
    }
}
