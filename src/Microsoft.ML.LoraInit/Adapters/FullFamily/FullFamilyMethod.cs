using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// What the variants of full fine-tuning have in common: every weight of the base may change, embeddings included, and the method moves some
/// of them itself, in a cheaper way than AdamW would. No adapters, so that rank, alpha, targets and initialisation have no part in them; a trained
/// model is as large as its base. <c>docs/methods.md</c> tells one from another.
/// </summary>
public abstract record FullFamilyMethod : FineTuningMethod
{
    private protected FullFamilyMethod()
    {
    }

    internal sealed override bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) => true;

    internal sealed override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        MarkBase(model);
        Mark(model);
    }

    internal sealed override void Mark(RobertaClassifier model)
    {
        foreach (var parameter in model.BaseParameters)
            parameter.MovedByMethod = Moves(parameter);
    }

    /// <summary>Whether the method moves this parameter of the base itself; the optimiser moves the rest, and the head.</summary>
    private protected abstract bool Moves(Parameter parameter);
}
