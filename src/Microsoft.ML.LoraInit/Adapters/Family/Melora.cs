using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Several small LoRAs along the diagonal. See <see cref="MeloraMethod"/>.</summary>
    /// <param name="count">How many.</param>
    public static FineTuningMethod Melora(int count = 2) => new MeloraMethod { Count = count };
}

/// <summary>
/// MELoRA (arXiv 2402.17263): n small LoRAs, each from one n-th of the inputs to one n-th of the outputs: W + s·diag(B₁A₁, …, BₙAₙ) with Aᵢ [r, in/n] and
/// Bᵢ [out/n, r]. As many parameters as one LoRA of rank r, for a change of rank n·r.
/// </summary>
/// <remarks>
/// As the authors' code does (ChasonShi/MELoRA 4ebb8b4, peft-0.5.0/src/peft/tuners/melora.py): Aᵢ Kaiming-uniform with a = √5, Bᵢ zero, s = alpha / r, all of
/// one rank here. It starts in its own way, so <c>Initialization</c> stays at its default. Merges into plain weights; a plain LoRA of rank n·r
/// is the same where the layer is wide enough for one.
/// </remarks>
public sealed record MeloraMethod : LoraFamilyMethod
{
    /// <summary>n, at least 1, a divisor of every adapted layer's dimensions. Default 2.</summary>
    [JsonPropertyName("count")]
    public int Count { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Count)); } = 2;

    /// <inheritdoc/>
    public override string Name => "melora";

    internal override bool StartsItself => true;

    internal override AdapterKind Form => new MeloraKind(Count);

    internal override void Check(AdapterTarget target)
    {
        if (target.InFeatures % Count != 0 || target.OutFeatures % Count != 0)
            throw new ArgumentException($"The method 'melora' cannot cut '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}] into {Count} equal parts: choose a Count that divides both dimensions.");
        if (target.Rank > Math.Min(target.InFeatures, target.OutFeatures) / Count)
            throw new ArgumentException($"Each of the {Count} parts of '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}] has room for a rank of {Math.Min(target.InFeatures, target.OutFeatures) / Count}, and Rank is {target.Rank}: lower Rank or Count.");
    }

    internal override FamilyStart Start(FamilyLayer layer) => new(new Dictionary<string, Tensor>(StringComparer.Ordinal)
    {
        // Kaiming's bound is that of a part's inputs.
        [MeloraKind.A] = layer.Kaiming("melora/A", Count * layer.Target.Rank, layer.Target.InFeatures / Count).view(Count, layer.Target.Rank, -1),
        [MeloraKind.B] = layer.Zeros(Count, layer.Target.OutFeatures / Count, layer.Target.Rank),
    });
}

/// <summary>n pairs of factors, one a part.</summary>
/// <param name="count">n.</param>
internal sealed class MeloraKind(int count) : AdapterKind
{
    public const string A = ".melora_A", B = ".melora_B";

    public override string Name => "melora";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target) =>
        [(A, [count, target.Rank, target.InFeatures / count]), (B, [count, target.OutFeatures / count, target.Rank])];

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) => new MeloraAdapter(parts);

    public override AdapterFactors? Factors(AdapterTarget target, Func<string, Tensor> part) =>
        count * target.Rank > Math.Min(target.InFeatures, target.OutFeatures) ? null : new(Diagonal(part(A)), Diagonal(part(B)));

    // [n, rows, columns] as blocks along the diagonal of [n·rows, n·columns].
    private static Tensor Diagonal(Tensor parts) =>
        (parts.unsqueeze(2) * eye(parts.shape[0], device: parts.device).view(parts.shape[0], 1, parts.shape[0], 1)).reshape(parts.shape[0] * parts.shape[1], parts.shape[0] * parts.shape[2]);

    private sealed class MeloraAdapter(AdapterParts parts) : MatrixAdapter("melora", parts, [A, B], B)
    {
        protected override Tensor Delta() => Diagonal(Part(B).matmul(Part(A)));

        protected override Tensor Product(Tensor x)
        {
            var (a, b) = (Part(A).to(x.dtype), Part(B).to(x.dtype));
            var columns = x.reshape(-1, a.shape[0], a.shape[2]).transpose(0, 1); // [n, rows, in/n]
            var result = columns.matmul(a.transpose(1, 2)).matmul(b.transpose(1, 2)).transpose(0, 1);
            return result.reshape([.. x.shape[..^1], a.shape[0] * b.shape[1]]);
        }
    }
}
