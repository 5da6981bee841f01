using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Low-rank adapters, the default. See <see cref="LoraMethod"/>.</summary>
    public static FineTuningMethod Lora() => new LoraMethod();
}

/// <summary>
/// LoRA (arXiv 2106.09685): the base stays frozen; the layers that <c>TargetModules</c> chooses get low-rank adapters,
/// started as <c>Initialization</c> says. Merges into plain weights. No settings of its own: rank, alpha and the rest
/// are the trainer's options.
/// </summary>
public sealed record LoraMethod : FineTuningMethod
{
    /// <inheritdoc/>
    public override string Name => "lora";

    internal override bool UsesAdapters => true;

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        MarkBase(model);
        var targets = AdapterPlanner.Plan(plan.Adapters, model.Linears);
        foreach (var target in targets)
            plan.Initialization.Validate(target);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        AdapterAttacher.Attach(model, targets, plan.Initialize(targets), plan.Adapters);
    }
}
