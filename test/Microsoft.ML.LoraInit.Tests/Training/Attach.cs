using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>Adapters for tests that bypass the initialisations.</summary>
internal static class Attach
{
    /// <summary>Puts LoRA with random factors, both different from zero, on query and value.</summary>
    public static void Random(RobertaClassifier model, int rank, double alpha) => Random(model, new AdapterSettings { Rank = rank, Alpha = alpha });

    /// <summary>Puts adapters with random factors where the settings say.</summary>
    public static void Random(RobertaClassifier model, AdapterSettings settings)
    {
        var targets = AdapterPlanner.Plan(settings, model.Config);
        AdapterAttacher.Attach(model, targets, [.. targets.Select((t, i) => new InitializedAdapter(Normal(t.Rank, t.InFeatures, i), Normal(t.OutFeatures, t.Rank, 100 + i)))], settings);
    }

    /// <summary>Numbers from N(0, 0.3), in the caller's scope.</summary>
    public static Tensor Normal(long rows, long columns, int seed = 0)
    {
        using var generator = new Generator((ulong)seed + 1, CPU);
        using var noGrad = no_grad();
        return empty(rows, columns).normal_(0.0, 0.3, generator);
    }
}
