using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// What the variants of LoRA have in common: adapters of one kind on the layers that <c>TargetModules</c> chooses, over a frozen base.
/// Rank, alpha and targets are the trainer's options. <c>docs/methods.md</c> tells one from another.
/// </summary>
public abstract record LoraFamilyMethod : FineTuningMethod
{
    private protected LoraFamilyMethod()
    {
    }

    internal sealed override bool UsesAdapters => true;

    /// <summary>Its kind of adapter.</summary>
    [JsonIgnore]
    internal abstract AdapterKind Form { get; }

    /// <summary>Whether it takes something away from the base weights, so that the base can be neither corrected otherwise nor held in 4 bits.</summary>
    [JsonIgnore]
    internal virtual bool CorrectsBase => false;

    /// <summary>Why B has no learning rate of its own (LoRA+), as a clause; null where it can have one.</summary>
    [JsonIgnore]
    internal virtual string? RateObstacle => null;

    /// <summary>Whether its tensors are none that an initialisation makes, so that they start in the method's own way.</summary>
    [JsonIgnore]
    internal virtual bool StartsItself => false;

    internal sealed override AdapterKind? Kind(string name) => Form.Name == name ? Form : null;

    internal override string? Obstacle(LoraInitialization initialization) =>
        StartsItself ? initialization == LoraInitialization.Kaiming() ? null : "its tensors are no A and B, and start in the method's own way; leave Initialization at its default"
        : initialization.PreconditioningObstacle is not null ? "the method is for products of two trained factors"
        : CorrectsBase && (initialization.ReplacesBase || initialization.Family == InitializationFamily.BaseCorrected) ? "both change the base's weights"
        : null;

    internal sealed override IReadOnlyList<AdapterTarget> Targets(AdapterSettings settings, RobertaConfig config)
    {
        var targets = AdapterPlanner.Plan(Adjust(settings), config);
        foreach (var target in targets)
            Check(target);
        return targets;
    }

    internal sealed override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        using var noGrad = no_grad();
        var linears = model.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        foreach (var (planned, made) in plan.Targets.Zip(plan.Starts))
        {
            // The data gave this layer no rank: it stays as it is.
            if (made.Rank == 0)
                continue;
            using var scope = NewDisposeScope();
            var (target, linear) = (planned with { Rank = made.Rank, Alpha = made.Alpha ?? planned.Alpha }, linears[planned.ModuleName]);
            new AdapterFactors(made.A, made.B, made.N).Check(target);
            if (made.N is not null)
                throw new ArgumentException($"The method '{Name}' does not go with an initialisation of three matrices: {target.ModuleName} got one. Choose another initialisation.");
            var (parts, correction) = Start(new(target, made, linear.Weight, plan.Seed, plan.Earlier));
            AdapterAttacher.Attach(model, linear, new(target, Form, parts, correction, plan.Adapters.Dropout));
        }
        MarkBase(model);
        Mark(model);
    }

    internal sealed override void Mark(RobertaClassifier model)
    {
        foreach (var adapter in model.Linears.Select(l => l.Adapter).OfType<LinearAdapter>())
            Prepare(adapter);
    }

    /// <summary>The plan's settings with what the method decides.</summary>
    internal virtual AdapterSettings Adjust(AdapterSettings settings) => settings;

    /// <exception cref="ArgumentException">The method's settings do not fit the layer.</exception>
    internal virtual void Check(AdapterTarget target)
    {
    }

    /// <summary>What an adapter starts from.</summary>
    internal abstract FamilyStart Start(FamilyLayer layer);

    /// <summary>Marks what is peculiar about the training of an adapter's parameters.</summary>
    private protected virtual void Prepare(LinearAdapter adapter)
    {
    }
}
