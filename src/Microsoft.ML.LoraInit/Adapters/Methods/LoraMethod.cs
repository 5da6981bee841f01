using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Low-rank adapters, the default. See <see cref="LoraMethod"/>.</summary>
    /// <param name="freeze">The factor that stays as it starts.</param>
    /// <param name="bias">The base's biases that are trained too.</param>
    public static FineTuningMethod Lora(AdapterFactor freeze = AdapterFactor.None, LoraBias bias = LoraBias.None) =>
        new LoraMethod { Freeze = freeze, Bias = bias };
}

/// <summary>Which biases of the base LoRA trains beside its adapters (PEFT's <c>bias</c>).</summary>
public enum LoraBias
{
    /// <summary>None.</summary>
    [JsonStringEnumMemberName("none")]
    None,

    /// <summary>All, those of the norms included.</summary>
    [JsonStringEnumMemberName("all")]
    All,

    /// <summary>Those of the layers that have adapters.</summary>
    [JsonStringEnumMemberName("lora_only")]
    LoraOnly,
}

/// <summary>
/// LoRA (arXiv 2106.09685): the base stays frozen; the layers that <c>TargetModules</c> chooses get low-rank adapters,
/// started as <c>Initialization</c> says. Merges into plain weights. Rank, alpha and the rest are the trainer's options.
/// </summary>
public sealed record LoraMethod : FineTuningMethod
{
    /// <summary>
    /// The factor that stays as the initialisation left it. Default none. A: LoRA-FA (arXiv 2308.03303), and what the study of
    /// asymmetric adapters finds enough (arXiv 2402.16842): a random A, frozen, and B trained. B: the other way round. Refused where
    /// the factor that is left would have a gradient of zero for ever, since the frozen one starts at zero.
    /// </summary>
    public AdapterFactor Freeze { get; init; }

    /// <summary>The base's biases that are trained too, as PEFT's <c>bias</c>. Default none.</summary>
    public LoraBias Bias { get; init; }

    /// <inheritdoc/>
    public override string Name => "lora";

    internal override bool UsesAdapters => true;

    internal override AdapterKind? Kind(string name) =>
        new[] { AdapterKind.Lora, AdapterKind.Dora, AdapterKind.ThreeMatrix }.FirstOrDefault(k => k.Name == name);

    internal override bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) => Bias switch
    {
        LoraBias.All => parameterName.EndsWith(BiasSuffix, StringComparison.Ordinal),
        LoraBias.LoraOnly => parameterName.EndsWith(BiasSuffix, StringComparison.Ordinal) && adapted.Contains(parameterName[..^BiasSuffix.Length]),
        _ => false,
    };

    /// <summary>Refuses a frozen factor that an initialisation starts at zero.</summary>
    /// <exception cref="ArgumentException">The other factor would learn nothing.</exception>
    internal void Check(LoraInitialization initialization)
    {
        if (Freeze != AdapterFactor.None && initialization.ZeroFactor == Freeze)
            throw new ArgumentException($"The method 'lora' with freeze = {Freeze} does not go with the initialisation '{initialization.Name}', which starts {Freeze} at zero: the other factor's gradient would be zero for ever. Freeze the other one, or choose another initialisation.");
    }

    internal override IReadOnlyList<AdapterTarget> Targets(AdapterSettings settings, RobertaConfig config) => AdapterPlanner.Plan(settings, config);

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        AdapterAttacher.Attach(model, plan.Targets, [.. plan.Starts.Select((made, i) => Frozen(made, plan.Targets[i]))], plan.Adapters);
        MarkBase(model);
    }

    private InitializedAdapter Frozen(InitializedAdapter made, AdapterTarget target)
    {
        var frozen = made with { FreezeA = made.FreezeA || Freeze is AdapterFactor.A, FreezeB = made.FreezeB || Freeze is AdapterFactor.B };
        return frozen is not { FreezeA: true, FreezeB: true, N: null } ? frozen
            : throw new ArgumentException($"The initialisation freezes one factor of '{target.ModuleName}' and the method 'lora' with freeze = {Freeze} the other, so that nothing is left to train. Freeze none, or choose another initialisation.");
    }

    private const string BiasSuffix = ".bias";
}
