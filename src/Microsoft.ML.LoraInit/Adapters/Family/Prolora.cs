using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>LoRA whose factors repeat a part of themselves, rotated. See <see cref="ProloraMethod"/>.</summary>
    /// <param name="repeats">How often the trained part of A and of B is used.</param>
    /// <param name="unshared">Ranks that are trained whole.</param>
    public static FineTuningMethod Prolora(int repeats = 2, int unshared = 1) => new ProloraMethod { RepeatsA = repeats, RepeatsB = repeats, Unshared = unshared };
}

/// <summary>
/// PRoLoRA (arXiv 2402.16902): W + s·B·A in which of r ranks u are trained whole and the other q = r − u are made of a part that is used again and again: A's
/// columns are m pieces, each the trained A₀ [q, ⌈in/m⌉] with its rows rotated by a further step, B's rows n pieces of B₀ [⌈out/n⌉, q] likewise. Rank r for the
/// parameters of about u + q/m.
/// </summary>
/// <remarks>
/// As the authors' code does (Forence1999/PRoLoRA 2e2b1ee, modules/chunkwise_sharing_LoRA.py, de_reduce and LoraLayer_reset_lora_parameters): row i of
/// A's piece k is row (i + k·max(⌊q/m⌋, 1)) mod q of A₀, and column i of B's piece k is column (i + k·max(⌊q/n⌋, 1)) mod q of B₀; what is too much at the end is left out. A₀ and the whole
/// rows of A start as U(−1/√in, 1/√in), by the width of the whole A, the paper's rectified initialisation; B's parts at zero. s = alpha / r. It starts in its own way, so
/// <c>Initialization</c> stays at its default. Merges into plain weights, and is a plain LoRA of rank r.
/// </remarks>
public sealed record ProloraMethod : LoraFamilyMethod
{
    /// <summary>m, at least 1, no more than a layer's inputs. Default 2; the code's 1 is no repetition.</summary>
    [JsonPropertyName("a")]
    public int RepeatsA { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(RepeatsA)); } = 2;

    /// <summary>n, at least 1, no more than a layer's outputs. Default 2; the code's 1 is no repetition.</summary>
    [JsonPropertyName("b")]
    public int RepeatsB { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(RepeatsB)); } = 2;

    /// <summary>u, from 0 to below the rank. Default 1; the code's default is 0.</summary>
    public int Unshared { get; init => field = Adapters.Family.Setting.AtLeast(0, value, nameof(Unshared)); } = 1;

    /// <inheritdoc/>
    public override string Name => "prolora";

    internal override bool StartsItself => true;

    internal override AdapterKind Form => Parts;

    private ProloraKind Parts => new(RepeatsA, RepeatsB, Unshared);

    internal override void Check(AdapterTarget target)
    {
        if (Unshared >= target.Rank)
            throw new ArgumentException($"The method 'prolora' has Unshared = {Unshared}, which leaves none of the {target.Rank} ranks of '{target.ModuleName}' to share: use a lower Unshared, or a higher Rank.");
        if (RepeatsA > target.InFeatures || RepeatsB > target.OutFeatures)
            throw new ArgumentException($"The method 'prolora' has RepeatsA = {RepeatsA} and RepeatsB = {RepeatsB}, more than '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}] has inputs or outputs: use fewer (prolora:a=…,b=…).");
    }

    internal override FamilyStart Start(FamilyLayer layer)
    {
        var target = layer.Target;
        var random = layer.Kaiming("prolora/A", target.Rank, target.InFeatures);
        return new(Parts.Layout(target).ToDictionary(p => p.Suffix, p => p.Suffix switch
        {
            ProloraKind.A => random[..(target.Rank - Unshared)].narrow(1, 0, p.Shape[1]),
            ProloraKind.OwnA => random[(target.Rank - Unshared)..],
            _ => layer.Zeros(p.Shape),
        }, StringComparer.Ordinal));
    }
}

/// <summary>The parts of A and B that are repeated, and the rows and columns that are not.</summary>
/// <param name="repeatsA">m.</param>
/// <param name="repeatsB">n.</param>
/// <param name="unshared">u.</param>
internal sealed class ProloraKind(int repeatsA, int repeatsB, int unshared) : AdapterKind
{
    public const string A = ".prolora_A", B = ".prolora_B", OwnA = ".prolora_own_A", OwnB = ".prolora_own_B";

    public override string Name => "prolora";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target)
    {
        var shared = target.Rank - unshared;
        yield return (A, [shared, Piece(target.InFeatures, repeatsA)]);
        yield return (B, [Piece(target.OutFeatures, repeatsB), shared]);
        if (unshared == 0)
            yield break;
        yield return (OwnA, [unshared, target.InFeatures]);
        yield return (OwnB, [target.OutFeatures, unshared]);
    }

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) => new ProloraAdapter(this, parts);

    public override AdapterFactors Factors(AdapterTarget target, Func<string, Tensor> part)
    {
        var (a, b) = (Repeat(part(A), repeatsA, target.InFeatures), Repeat(part(B).t(), repeatsB, target.OutFeatures).t());
        return unshared == 0 ? new(a, b) : new(cat([a, part(OwnA)], 0), cat([b, part(OwnB)], 1));
    }

    private static long Piece(long length, int repeats) => (length + repeats - 1) / repeats;

    /// <summary>[q, piece] → [q, length]: the piece side by side with itself, its rows moved up by a further step each time.</summary>
    private static Tensor Repeat(Tensor piece, int repeats, long length)
    {
        var step = Math.Max(piece.shape[0] / repeats, 1);
        return cat([.. Enumerable.Range(0, repeats).Select(k => piece.roll(-k * step, 0))], 1).narrow(1, 0, length);
    }

    private sealed class ProloraAdapter(ProloraKind kind, AdapterParts parts) : MatrixAdapter("prolora", parts, kind.Layout(parts.Target).Select(p => p.Suffix), B, OwnB)
    {
        private AdapterFactors Whole => kind.Factors(Target, Part);

        protected override Tensor Delta() => Whole.Product();

        protected override Tensor Product(Tensor x)
        {
            var whole = Whole;
            return nn.functional.linear(nn.functional.linear(x, whole.A.to(x.dtype)), whole.B.to(x.dtype));
        }
    }
}
