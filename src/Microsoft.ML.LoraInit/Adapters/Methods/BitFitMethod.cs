using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>The base's biases. See <see cref="BitFitMethod"/>.</summary>
    public static FineTuningMethod BitFit() => new BitFitMethod();
}

/// <summary>
/// BitFit (arXiv 2106.10199): every bias of the base is trained, those of the norms included, and nothing else of it.
/// No settings.
/// </summary>
public sealed record BitFitMethod : FineTuningMethod
{
    /// <inheritdoc/>
    public override string Name => "bitfit";

    internal override bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) => parameterName.EndsWith(".bias", StringComparison.Ordinal);

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan) => MarkBase(model);
}
