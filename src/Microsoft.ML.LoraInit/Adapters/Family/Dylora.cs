using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>One training for every rank up to r. See <see cref="DyloraMethod"/>.</summary>
    /// <param name="use">The rank that the trained model computes with; null for r.</param>
    public static FineTuningMethod Dylora(int? use = null) => new DyloraMethod { Use = use };
}

/// <summary>
/// DyLoRA (arXiv 2210.07558): each step draws a rank b from 1 to r and trains W + (alpha/b)·B[:, :b]·A[:b] with A [r, in] and B [out, r], so that the
/// first b rows of A and columns of B are an adapter for every b.
/// </summary>
/// <remarks>
/// From the paper's section 4 and the code derived from the authors' (huawei-noah/KD-NLP's loralib as kept by others: the module <c>dynamic</c>, which scales
/// each factor by √(r/b); kohya-ss/sd-scripts 077f6a4, networks/dylora.py). One b a step for all layers, uniform. With <see cref="Frozen"/> a step
/// trains row and column b alone, over those before it. <see cref="Use"/> chooses the rank that the trained model has; the file keeps all r.
/// With rsLoRA the scale is alpha/√b.
/// Goes with initialisations that leave the base alone, on one device. Merges into plain weights, and is a plain LoRA of the rank used.
/// </remarks>
public sealed record DyloraMethod : LoraFamilyMethod
{
    /// <summary>Whether a step trains row and column b alone. Default false: the first b of both.</summary>
    [JsonPropertyName("frozen")]
    public bool Frozen { get; init; }

    /// <summary>The rank that validation and the trained model compute with, from 1 to r; null (the default) for r.</summary>
    [JsonPropertyName("use")]
    public int? Use { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Use)); }

    /// <inheritdoc/>
    public override string Name => "dylora";

    internal override string DevicesObstacle => "each step's rank is drawn on one device";

    internal override AdapterKind Form => new DyloraKind(Use, Frozen);

    internal override string? Obstacle(LoraInitialization initialization) => base.Obstacle(initialization)
        ?? (initialization.ReplacesBase || initialization.Family == InitializationFamily.BaseCorrected
            ? "what it takes from the base fits the whole rank, and the method computes with parts of it" : null);

    internal override void Check(AdapterTarget target)
    {
        if (Use > target.Rank)
            throw new ArgumentException($"The method 'dylora' is to use the rank {Use} of '{target.ModuleName}', which has {target.Rank}: lower Use, or raise Rank.");
    }

    internal override FamilyStart Start(FamilyLayer layer) => layer.AsMade();

    internal override MethodHooks Hooks(MethodRun run) => new DyloraHooks(run);

    private sealed class DyloraHooks(MethodRun run) : MethodHooks
    {
        private readonly IReadOnlyList<DyloraAdapter> _adapters = run.Adapters<DyloraAdapter>();

        public override void BeforeStep(long step)
        {
            var random = new SeededRandom(SeededRandom.Hash(run.Seed, $"dylora/{step}"));
            // One draw for all, as a share of each layer's rank where they differ.
            var drawn = random.Next(_adapters.Max(a => a.Target.Rank));
            foreach (var adapter in _adapters)
                adapter.Choose(1 + (drawn * adapter.Target.Rank / _adapters.Max(a => a.Target.Rank)));
        }
    }
}

/// <summary>A and B whose first rows and columns are adapters of their own.</summary>
/// <param name="use">The rank computed with outside training; null for all.</param>
/// <param name="frozen">Whether a step trains one row and column alone.</param>
internal sealed class DyloraKind(int? use, bool frozen) : AdapterKind
{
    public override string Name => "dylora";

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target) => Pair(target);

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) =>
        new DyloraAdapter(parts.Target, parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.B], use, frozen, parts.Dropout);

    public override AdapterFactors Factors(AdapterTarget target, Func<string, Tensor> part) =>
        DyloraAdapter.First(target, part(LinearAdapter.Names.A), part(LinearAdapter.Names.B), use);
}

/// <summary>y = x Wᵀ + b + s · dropout(x) Aᵀ diag(r/b on the first b; with rsLoRA √(r/b)) Bᵀ, b drawn for each training step.</summary>
internal sealed class DyloraAdapter : LowRankAdapter
{
    private readonly int? _use;
    private readonly bool _frozen;
    private readonly Tensor _scale;   // [r]: the ratio of scales on the first b, then 0
    private readonly Tensor _trained; // [r]: 1 on what a step trains

    public DyloraAdapter(AdapterTarget target, Tensor a, Tensor b, int? use, bool frozen, double dropout)
        : base(target, dropout)
    {
        (_use, _frozen) = (use, frozen);
        A = Factor(Names.A, a);
        B = Factor(Names.B, b);
        Parameters = [A, B];
        _scale = ones(target.Rank, device: a.device).DetachFromDisposeScope();
        _trained = ones(target.Rank, device: a.device).DetachFromDisposeScope();
    }

    public override string Kind => "dylora";

    public override Parameter A { get; }

    public override Parameter B { get; }

    public override AdapterFactors Factors => First(Target, A.Value, B.Value, _use);

    public override IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The first rows of A and columns of B at the scale of their number, over that of r; all where data chose a lower rank (EVA). In the caller's scope.</summary>
    public static AdapterFactors First(AdapterTarget target, Tensor a, Tensor b, int? use) => use is not { } count || count >= a.shape[0] ? new(a, b)
        : new(a.narrow(0, 0, count).Mul(Ratio(target, count)), b.narrow(1, 0, count));

    /// <summary>Sets the rank of the passes to come, in place, so that recorded ones see it.</summary>
    public void Choose(int rank)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var place = Numbers.Arange(1, Target.Rank + 1, device: _scale.device);
        _scale.copy_(place.Le(rank).to(ScalarType.Float32).Mul(Ratio(Target, rank)));
        if (_frozen)
            _trained.copy_(place.Eq(rank));
    }

    public override Tensor forward(Tensor x, Linear linear, ForwardContext context)
    {
        if (!context.IsTraining)
            return base.forward(x, linear, context);
        var (a, b) = (A.Value, B.Value);
        if (_frozen)
            (a, b) = (Only(a, _trained.unsqueeze(1)), Only(b, _trained));
        var low = nn.functional.linear(context.ApplyDropout(x, Dropout), a.to(x.dtype)) * _scale.to(x.dtype);
        return linear.Affine(x).Add_(nn.functional.linear(low, b.to(x.dtype)), Scaling);
    }

    public override void Dispose()
    {
        base.Dispose();
        _scale.Dispose();
        _trained.Dispose();
    }

    /// <summary>The scale of the first ranks over that of all: r/b, or √(r/b) with rsLoRA.</summary>
    private static double Ratio(AdapterTarget target, int rank) => (target with { Rank = rank }).Scaling / target.Scaling;

    // The same values, with a gradient where the mask is 1.
    private static Tensor Only(Tensor value, Tensor mask) => (value.detach() * mask.Rsub(1)).Add(value * mask);
}
