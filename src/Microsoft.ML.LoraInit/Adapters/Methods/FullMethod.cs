using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Every weight of the base. See <see cref="FullMethod"/>.</summary>
    public static FineTuningMethod Full() => new FullMethod();
}

/// <summary>
/// Full fine-tuning: every weight of the base is trained, embeddings included. Where the base is held in bf16, the
/// trained weights are kept in fp32 beside it. A model stored this way is as large as its base. No settings.
/// </summary>
public sealed record FullMethod : FineTuningMethod
{
    /// <inheritdoc/>
    public override string Name => "full";

    internal override bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) => true;

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan) => MarkBase(model);
}
