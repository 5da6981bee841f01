using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>A Kronecker product. See <see cref="LokrMethod"/>.</summary>
    /// <param name="factor">The smaller side of each dimension's split; −1 for the split nearest to its root.</param>
    /// <param name="both">Whether the left factor is of low rank too.</param>
    public static FineTuningMethod Lokr(int factor = -1, bool both = false) => new LokrMethod { Factor = factor, DecomposeBoth = both };
}

/// <summary>
/// LoKr, a low-rank Kronecker product (LyCORIS, arXiv 2309.14859): W + s·C ⊗ D, where out = o₁·o₂ and in = i₁·i₂, C is [o₁, i₁] and
/// D [o₂, i₂] = D_a [o₂, r] · D_b [r, i₂]. Far fewer parameters than LoRA at the same r, for a change whose rank is the product of both factors'.
/// </summary>
/// <remarks>
/// As huggingface/peft computes it (5d602fd, tuners/lokr/layer.py): D is held whole where r is at least half its longer side, C is held in factors
/// where <see cref="DecomposeBoth"/> says so and r is below half its longer side; C (or its left factor) starts at zero and the others
/// Kaiming-uniform with a = √5; s = alpha / r. It starts in its own way, so <c>Initialization</c> stays at its default. Merges into plain
/// weights; PEFT's files both ways.
/// </remarks>
public sealed record LokrMethod : LoraFamilyMethod
{
    /// <summary>o₁ and i₁ where they divide the layer's dimensions; else the largest divisors below. −1 (the default) for the divisors nearest to the roots.</summary>
    [JsonPropertyName("factor")]
    public int Factor
    {
        get;
        init => field = value is -1 or > 0 ? value
            : throw Core.SettingRange.Error(nameof(Factor), value, "at least 1, or -1 for the split nearest to a dimension's root");
    } = -1;

    /// <summary>Whether C is a product of low rank too. Default false.</summary>
    [JsonPropertyName("both")]
    public bool DecomposeBoth { get; init; }

    /// <summary>Whether D starts at zero and C does not, as in LyCORIS. Default false: the other way round, as PEFT does by default.</summary>
    [JsonPropertyName("lycoris")]
    public bool LycorisStart { get; init; }

    /// <inheritdoc/>
    public override string Name => "lokr";

    internal override bool StartsItself => true;

    internal override string RateObstacle => "its factors are no A and B";

    internal override AdapterKind Form => new LokrKind(Factor, DecomposeBoth);

    internal override FamilyStart Start(FamilyLayer layer)
    {
        var kind = new LokrKind(Factor, DecomposeBoth);
        return new(kind.Layout(layer.Target).ToDictionary(p => p.Suffix, p => IsZero(p.Suffix)
            ? layer.Zeros(p.Shape)
            : layer.Kaiming($"lokr/{p.Suffix}", p.Shape[0], p.Shape[1]), StringComparer.Ordinal));

        bool IsZero(string suffix) => LycorisStart
            ? suffix is LokrKind.D or LokrKind.Db
            : suffix is LokrKind.C or LokrKind.Ca;
    }
}

/// <summary>A Kronecker product's factors under PEFT's names.</summary>
/// <param name="factor">As <see cref="LokrMethod.Factor"/>.</param>
/// <param name="both">As <see cref="LokrMethod.DecomposeBoth"/>.</param>
internal sealed class LokrKind(int factor, bool both) : AdapterKind
{
    public const string C = ".lokr_w1", Ca = ".lokr_w1_a", Cb = ".lokr_w1_b", D = ".lokr_w2", Da = ".lokr_w2_a", Db = ".lokr_w2_b";

    public override string Name => "lokr";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target)
    {
        var ((o1, o2), (i1, i2), rank) = (Split(target.OutFeatures), Split(target.InFeatures), target.Rank);
        if (both && 2 * rank < Math.Max(o1, i1))
        {
            yield return (Ca, [o1, rank]);
            yield return (Cb, [rank, i1]);
        }
        else
        {
            yield return (C, [o1, i1]);
        }
        if (2 * rank < Math.Max(o2, i2))
        {
            yield return (Da, [o2, rank]);
            yield return (Db, [rank, i2]);
        }
        else
        {
            yield return (D, [o2, i2]);
        }
    }

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) => new LokrAdapter(parts, Layout(parts.Target).Select(p => p.Suffix));

    // With D = D_a·D_b it has rank i₁·r or, with C = C_a·C_b, r²: C ⊗ D = (C_a ⊗ D_a)(C_b ⊗ D_b), where C_a = C and C_b = I for a whole C.
    public override AdapterFactors? Factors(AdapterTarget target, Func<string, Tensor> part)
    {
        var names = Layout(target).Select(p => p.Suffix).ToHashSet(StringComparer.Ordinal);
        if (!names.Contains(Da))
            return null;
        var (left, right) = names.Contains(C) ? (part(C), eye(part(C).shape[1])) : (part(Ca), part(Cb));
        return right.shape[0] * target.Rank > Math.Min(target.InFeatures, target.OutFeatures) ? null
            : new(Kronecker(right, part(Db)), Kronecker(left, part(Da)));
    }

    /// <summary>The two factors of a dimension, the smaller first unless the factor asked for is the larger one, as PEFT's <c>factorization</c> finds them.</summary>
    public (int First, int Second) Split(int dimension)
    {
        if (factor > 0 && dimension % factor == 0)
            return (factor, dimension / factor);
        var (small, bound) = (1, factor == -1 ? dimension : factor);
        for (int next = 2; next <= bound && (long)next * next <= dimension; next++)
            if (dimension % next == 0)
                small = next;
        return (small, dimension / small);
    }

    /// <summary>a ⊗ b of two matrices.</summary>
    public static Tensor Kronecker(Tensor a, Tensor b) =>
        (a.unsqueeze(1).unsqueeze(3) * b.unsqueeze(0).unsqueeze(2)).reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]);

    private sealed class LokrAdapter(AdapterParts parts, IEnumerable<string> names) : MatrixAdapter("lokr", parts, names)
    {
        protected override Tensor Delta() => Kronecker(Left, Right);

        // With x as a matrix X [i₁, i₂] a row, x (C ⊗ D)ᵀ is C X Dᵀ: the big matrix is never made.
        protected override Tensor Product(Tensor x)
        {
            var (c, d) = (Left.to(x.dtype), Right.to(x.dtype));
            long[] rows = x.shape[..^1];
            var grid = nn.functional.linear(x.reshape([.. rows, c.shape[1], d.shape[1]]), d); // [..., i₁, o₂]
            return c.matmul(grid).reshape([.. rows, c.shape[0] * d.shape[0]]);
        }

        private Tensor Left => Has(C) ? Part(C) : Part(Ca).matmul(Part(Cb));

        private Tensor Right => Has(D) ? Part(D) : Part(Da).matmul(Part(Db));
    }
}
