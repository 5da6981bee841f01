using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Ranks that move from layers that can do without them to others. See <see cref="AloraMethod"/>.</summary>
    /// <param name="rounds">How often ranks move.</param>
    public static FineTuningMethod Alora(int rounds = 8) => new AloraMethod { Rounds = rounds };
}

/// <summary>
/// ALoRA (arXiv 2403.16187): W + s·B·diag(α)·A with A [r, in], B [out, r] and gates α of 0 or 1, which are not trained. In rounds, each rank is judged by what the loss becomes without it and with it
/// alone; the least important of all layers are closed, and as many new ones opened in the layers that lost none.
/// </summary>
/// <remarks>
/// <para>
/// From the paper's sections 3.3 and 3.4, equation 6 and algorithm 1: the importance of a rank is S(M without it) taken from S(M with it alone of all), S being minus the loss on
/// one batch of 32 rows (of the validation data, or of the training data where there is none). A round closes <see cref="Moved"/> ranks of the least importance
/// and shares as many out among the layers that lost none, evenly, those of higher mean importance first (footnote 3). The paper's first round comes after an epoch and
/// the others a quarter of one apart, at most 8 of them.
/// </para>
/// <para>
/// The paper does not say what a new rank starts from: here B's column is zero and A's row Kaiming-uniform, so that nothing jumps; Adam's moments of both are zero. A layer has room for
/// <see cref="Room"/> further ranks, since what is trained is one vector of a fixed length; ranks that find none are given up. A round takes two scorings of
/// 32 rows for each open rank. s stays alpha / r. Goes with initialisations that leave the base alone. Merges into plain weights, and is a plain LoRA of the ranks that are open.
/// </para>
/// </remarks>
public sealed record AloraMethod : LoraFamilyMethod
{
    internal const string Gate = ".alora_gate";

    /// <summary>How often ranks move, at least 1. Default 8.</summary>
    [JsonPropertyName("rounds")]
    public int Rounds { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Rounds)); } = 8;

    /// <summary>Ranks that move in a round; null (the default) for as many as there are adapted layers.</summary>
    [JsonPropertyName("moved")]
    public int? Moved { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Moved)); }

    /// <summary>Ranks that a layer can get beside those that it starts with; null (the default) for as many again.</summary>
    [JsonPropertyName("room")]
    public int? Room { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Room)); }

    /// <summary>Steps before the first round, at least 1; null (the default) for a third of the run.</summary>
    [JsonPropertyName("warmup")]
    public int? WarmupSteps { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(WarmupSteps)); }

    /// <summary>Steps from one round to the next, at least 1; null (the default) for a twelfth of the run.</summary>
    [JsonPropertyName("interval")]
    public int? Interval { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Interval)); }

    /// <inheritdoc/>
    public override string Name => "alora";

    internal override AdapterKind Form => new AloraKind(Room);

    internal override string? Obstacle(LoraInitialization initialization) => base.Obstacle(initialization)
        ?? (initialization.ReplacesBase || initialization.Family == InitializationFamily.BaseCorrected
            ? "what it takes from the base fits all its ranks, and the method closes some" : null);

    internal override FamilyStart Start(FamilyLayer layer)
    {
        var (target, room) = (layer.Target, Room ?? layer.Target.Rank);
        return new(new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            [LinearAdapter.Names.A] = cat([layer.Made.A, layer.Zeros(room, target.InFeatures)], 0),
            [LinearAdapter.Names.B] = cat([layer.Made.B, layer.Zeros(target.OutFeatures, room)], 1),
            [Gate] = cat([layer.Ones(target.Rank), layer.Zeros(room)]),
        });
    }

    internal override void CheckRun(long steps)
    {
        if (WarmupSteps >= steps)
            throw new ArgumentException($"The method 'alora' has no round in a run of {steps} steps, since the first one comes after {WarmupSteps}: lower WarmupSteps (alora:warmup=…), or train for longer.");
    }

    internal override MethodHooks Hooks(MethodRun run) => new AloraHooks(run, this);

    // Gates are among what is trained, so that they are kept with the best epoch and in checkpoints.
    private protected override void Prepare(LinearAdapter adapter) => ((GatedAdapter)adapter).Gate.MovedByMethod = true;
}

/// <summary>A and B with room for more ranks, and gates that say which of them are open.</summary>
/// <param name="room">Further ranks; null for as many as the layer starts with.</param>
internal sealed class AloraKind(int? room) : AdapterKind
{
    public override string Name => "alora";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target)
    {
        long ranks = target.Rank + (room ?? target.Rank);
        return [(LinearAdapter.Names.A, [ranks, target.InFeatures]), (LinearAdapter.Names.B, [target.OutFeatures, ranks]), (AloraMethod.Gate, [ranks])];
    }

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) => new GatedAdapter(
        Name, parts.Target, parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.B], AloraMethod.Gate, parts[AloraMethod.Gate], decay: false, parts.Dropout, gate => gate.detach());

    // The open ranks alone; one that adds nothing where all are closed.
    public override AdapterFactors Factors(AdapterTarget target, Func<string, Tensor> part)
    {
        var gates = part(AloraMethod.Gate);
        var open = gates.any().item<bool>() ? gates.nonzero().squeeze(1) : zeros(1, ScalarType.Int64);
        var scaled = part(LinearAdapter.Names.A) * gates.unsqueeze(1);
        return new(scaled.index_select(0, open), part(LinearAdapter.Names.B).index_select(1, open));
    }
}
