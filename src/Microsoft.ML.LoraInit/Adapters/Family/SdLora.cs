using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>For classes that arrive over time: each stage learns a direction, and how much of the earlier ones it takes. See <see cref="SdLoraMethod"/>.</summary>
    public static FineTuningMethod SdLora() => new SdLoraMethod();
}

/// <summary>
/// SD-LoRA, whose first version is named S-LoRA (arXiv 2501.13198): W + Σᵢ mᵢ·Dᵢ + mₜ·s·B·A. A stage t that brings new classes learns A [r, in] and B [out, r],
/// and a magnitude m for its own product and for each of the products Dᵢ of earlier stages, which are frozen. Nothing of earlier rows is kept.
/// <see cref="LoraNewClassesTrainer"/> trains the stages after the first.
/// </summary>
/// <remarks>
/// <para>
/// As the authors' code does (WuYichen-97/SD-Lora-CL 8bacded, backbone/lora.py, models/sdlora.py): the loss of a stage is the cross-entropy of its
/// own classes among themselves, and of the output layer their rows alone learn. Dᵢ = Bᵢ·Aᵢ. There a direction is divided by ‖Aᵢ‖·‖Bᵢ‖, one magnitude
/// a stage serves all layers, and all start at 0.8 with every stage. Here each layer has its own, and a direction is kept at the size that it ended with and its
/// magnitude starts at 1: a stage starts as the model that it goes on from. The same functions can be learnt. RoBERTa's head has a
/// hidden layer, which old classes stand on: it is trained in the first stage and frozen from then on.
/// </para>
/// <para>
/// All stages merge into plain weights, and are one LoRA of the sum of their ranks. From the second stage on an initialisation must leave the base as it
/// is, and need nothing but weights. Magnitudes do not decay.
/// </para>
/// </remarks>
public sealed record SdLoraMethod : LoraFamilyMethod
{
    /// <summary>Stages trained, this one included. 1 (the default) for the first; <see cref="LoraNewClassesTrainer"/> counts on.</summary>
    [JsonPropertyName("stages")]
    public int Stages { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Stages)); } = 1;

    /// <summary>The rank of each earlier stage's product, with which it is stored; 0 where there is none. <see cref="LoraNewClassesTrainer"/> sets it.</summary>
    [JsonPropertyName("earlier")]
    public int EarlierRank { get; init => field = Adapters.Family.Setting.AtLeast(0, value, nameof(EarlierRank)); }

    /// <inheritdoc/>
    public override string Name => "sd-lora";

    internal override bool KeepsKnownClasses => true;

    internal override AdapterKind Form => new SdLoraKind(Stages - 1, EarlierRank);

    internal override string? Obstacle(LoraInitialization initialization) => base.Obstacle(initialization)
        ?? (Stages == 1 ? null
            : initialization.ReplacesBase || initialization.Family == InitializationFamily.BaseCorrected ? "what earlier stages learnt is over the base as it is"
            : (initialization.Needs & ~InitializationNeeds.Weights) != 0 ? "it would look at the base without what earlier stages learnt"
            : null);

    internal override FamilyStart Start(FamilyLayer layer)
    {
        if (Stages == 1)
            return layer.AsMade((SdLoraKind.Magnitudes, layer.Ones(1)));
        if (layer.Earlier is not { } earlier || earlier.Count != Stages - 1 || earlier.Rank != EarlierRank)
            throw new ArgumentException($"The method 'sd-lora' has stages = {Stages} and no model of {Stages - 1} to go on from: leave stages at 1, and train further classes with LoraNewClassesTrainer, which counts them.");
        var (a, b) = earlier.Layers[layer.Target.ModuleName];
        return layer.AsMade((SdLoraKind.Magnitudes, layer.Ones(Stages)), (SdLoraKind.EarlierA, a), (SdLoraKind.EarlierB, b));
    }

    internal override MethodHooks? Hooks(MethodRun run) => run.KnownClasses == 0 ? null : new KnownRows(run);

    /// <summary>Keeps the output layer's rows of known classes: their gradient is zero, and decay would move them all the same.</summary>
    private sealed class KnownRows : MethodHooks
    {
        private readonly MethodRun _run;
        private readonly (FlatPlace Place, Tensor Rows)[] _kept;

        public KnownRows(MethodRun run)
        {
            _run = run;
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var output = run.Model.Head.OutProjection;
            _kept = [.. new[] { output.Weight, output.Bias }.Select(p => (run.Place(p), Of(run.Place(p)).clone().DetachFromDisposeScope()))];
        }

        public override void AfterUpdate(long step, double learningRate)
        {
            foreach (var (place, rows) in _kept)
                Of(place).copy_(rows);
        }

        public override void Dispose()
        {
            foreach (var (_, rows) in _kept)
                rows.Dispose();
        }

        private Tensor Of(FlatPlace place) => place.Of(_run.Parameters.Flat.detach()).narrow(0, 0, _run.KnownClasses);
    }
}

/// <summary>A and B, the products of earlier stages, frozen, and a magnitude for each.</summary>
/// <param name="earlier">How many earlier stages.</param>
/// <param name="rank">R, that of each of their products.</param>
internal sealed class SdLoraKind(int earlier, int rank) : AdapterKind
{
    public const string Magnitudes = ".sd_magnitudes", EarlierA = ".sd_A", EarlierB = ".sd_B";

    public override string Name => "sd-lora";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target)
    {
        var own = Pair(target).Append((Magnitudes, [earlier + 1L]));
        return earlier == 0 ? own : own.Append((EarlierA, [earlier * rank, target.InFeatures])).Append((EarlierB, [target.OutFeatures, earlier * rank]));
    }

    public override bool Trains(string suffix) => suffix is not (EarlierA or EarlierB);

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) => new SdLoraAdapter(parts, rank);

    public override AdapterFactors Factors(AdapterTarget target, Func<string, Tensor> part) => SdLoraAdapter.Joined(
        part(LinearAdapter.Names.A), part(LinearAdapter.Names.B), part(Magnitudes), earlier == 0 ? null : part(EarlierA), earlier == 0 ? null : part(EarlierB), rank, target.Scaling);
}

/// <summary>y = x Wᵀ + b + x (Σᵢ mᵢ·BᵢAᵢ)ᵀ + mₜ·s · x Aᵀ Bᵀ.</summary>
internal sealed class SdLoraAdapter : LowRankAdapter
{
    private readonly int _rank;
    private readonly Parameter _magnitudes;
    private readonly Parameter? _earlierA, _earlierB;

    public SdLoraAdapter(AdapterParts parts, int rank)
        : base(parts.Target, parts.Dropout)
    {
        _rank = rank;
        A = Factor(Names.A, parts[Names.A]);
        B = Factor(Names.B, parts[Names.B]);
        _magnitudes = Factor(SdLoraKind.Magnitudes, parts[SdLoraKind.Magnitudes], decay: false);
        _earlierA = parts.Find(SdLoraKind.EarlierA) is { } a ? Factor(SdLoraKind.EarlierA, a) : null;
        _earlierB = parts.Find(SdLoraKind.EarlierB) is { } b ? Factor(SdLoraKind.EarlierB, b) : null;
        Parameters = [.. new[] { A, B, _magnitudes, _earlierA, _earlierB }.OfType<Parameter>()];
    }

    public override string Kind => "sd-lora";

    public override Parameter A { get; }

    public override Parameter B { get; }

    public override AdapterFactors Factors => Joined(A.Value, B.Value, _magnitudes.Value, _earlierA?.Value, _earlierB?.Value, _rank, Scaling);

    public override IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>One pair of factors whose product times s is that of all stages; in the caller's scope.</summary>
    public static AdapterFactors Joined(Tensor a, Tensor b, Tensor magnitudes, Tensor? earlierA, Tensor? earlierB, int rank, double scaling)
    {
        var earlier = magnitudes.shape[0] - 1;
        var own = a * magnitudes.narrow(0, earlier, 1);
        if (earlierA is null || earlierB is null)
            return new(own, b);
        var each = magnitudes.narrow(0, 0, earlier).repeat_interleave(rank).unsqueeze(1).Div(scaling);
        return new(cat([earlierA * each, own], 0), cat([earlierB, b], 1));
    }
}
