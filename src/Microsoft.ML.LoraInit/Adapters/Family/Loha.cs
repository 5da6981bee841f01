using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>A product of two low-rank matrices, element by element. See <see cref="LohaMethod"/>.</summary>
    public static FineTuningMethod Loha() => new LohaMethod();
}

/// <summary>
/// LoHa, the low-rank Hadamard product (FedPara, arXiv 2108.06098; LyCORIS, arXiv 2309.14859): W + s·(B₁A₁) ⊙ (B₂A₂) with B₁, B₂ [out, r] and
/// A₁, A₂ [r, in]. Twice LoRA's parameters at the same r, for a change of rank up to r².
/// </summary>
/// <remarks>
/// As huggingface/peft computes it (5d602fd, tuners/loha/layer.py): B₁, A₁ and B₂ Kaiming-uniform with a = √5, A₂ zero, s = alpha / r. It starts
/// in its own way, so <c>Initialization</c> stays at its default. Merges into plain weights; PEFT's files both ways; a plain LoRA
/// of rank r² is the same where the layer is wide enough for one. No settings.
/// </remarks>
public sealed record LohaMethod : LoraFamilyMethod
{
    /// <inheritdoc/>
    public override string Name => "loha";

    internal override bool StartsItself => true;

    internal override string RateObstacle => "its product has two such factors, which LoRA+ says nothing of";

    internal override AdapterKind Form => LohaKind.Instance;

    internal override FamilyStart Start(FamilyLayer layer)
    {
        var (rank, inputs, outputs) = (layer.Target.Rank, layer.Target.InFeatures, layer.Target.OutFeatures);
        return new(new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            [LohaKind.B1] = layer.Kaiming("loha/B1", outputs, rank),
            [LohaKind.A1] = layer.Kaiming("loha/A1", rank, inputs),
            [LohaKind.B2] = layer.Kaiming("loha/B2", outputs, rank),
            [LohaKind.A2] = layer.Zeros(rank, inputs),
        });
    }
}

/// <summary>Two pairs of factors under PEFT's names.</summary>
internal sealed class LohaKind : AdapterKind
{
    public const string B1 = ".hada_w1_a", A1 = ".hada_w1_b", B2 = ".hada_w2_a", A2 = ".hada_w2_b";

    public static LohaKind Instance { get; } = new();

    public override string Name => "loha";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target)
    {
        long[] b = [target.OutFeatures, target.Rank], a = [target.Rank, target.InFeatures];
        return [(B1, b), (A1, a), (B2, b), (A2, a)];
    }

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) => new LohaAdapter(parts);

    // (B₁A₁) ⊙ (B₂A₂) = Σᵢⱼ (b₁ᵢ ⊙ b₂ⱼ)(a₁ᵢ ⊙ a₂ⱼ): a product of rank r².
    public override AdapterFactors? Factors(AdapterTarget target, Func<string, Tensor> part)
    {
        if ((long)target.Rank * target.Rank > Math.Min(target.InFeatures, target.OutFeatures))
            return null;
        var a = (part(A1).unsqueeze(1) * part(A2).unsqueeze(0)).reshape(-1, target.InFeatures);
        var b = (part(B1).unsqueeze(2) * part(B2).unsqueeze(1)).reshape(target.OutFeatures, -1);
        // Over the adapter's own scaling, not that of r².
        return new(a, b);
    }

    private sealed class LohaAdapter(AdapterParts parts) : MatrixAdapter("loha", parts, [B1, A1, B2, A2])
    {
        protected override Tensor Delta() => Part(B1).matmul(Part(A1)) * Part(B2).matmul(Part(A2));
    }
}
