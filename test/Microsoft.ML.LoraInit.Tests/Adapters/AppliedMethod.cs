using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>Puts methods on models, with factors that a test makes.</summary>
internal static class AppliedMethod
{
    /// <param name="method">The method.</param>
    /// <param name="model">Is changed.</param>
    /// <param name="settings">Of its adapters.</param>
    /// <param name="seed">Of its draws.</param>
    /// <param name="starts">Makes the factors of these layers.</param>
    public static void Apply(
        this FineTuningMethod method, RobertaClassifier model, AdapterSettings settings, int seed, Func<IReadOnlyList<AdapterTarget>, IReadOnlyList<InitializedAdapter>> starts)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var targets = method.Targets(settings, model.Config);
        method.Apply(model, new(settings, seed, targets, targets.Count == 0 ? [] : starts(targets)));
    }
}
