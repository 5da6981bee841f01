using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Nothing but the head. See <see cref="HeadOnlyMethod"/>.</summary>
    public static FineTuningMethod HeadOnly() => new HeadOnlyMethod();
}

/// <summary>
/// The whole base stays frozen and the classification head alone is trained: the cheapest baseline. No settings.
/// </summary>
public sealed record HeadOnlyMethod : FineTuningMethod
{
    /// <inheritdoc/>
    public override string Name => "head";

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan) => MarkBase(model);
}
