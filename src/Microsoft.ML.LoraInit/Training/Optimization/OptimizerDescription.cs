using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Training.Optimization;

/// <summary>What was peculiar about the training of the adapters, as a trained model's description tells it to readers.</summary>
internal static class OptimizerDescription
{
    /// <summary>LoRA+'s ratio and the preconditioning; ε only where there is one.</summary>
    public static JsonObject Of(LoraTrainerOptions options)
    {
        var json = new JsonObject
        {
            ["loraPlusRatio"] = options.LoraPlusRatio,
            ["gradientPreconditioning"] = JsonNamingPolicy.KebabCaseLower.ConvertName(options.GradientPreconditioning.ToString()),
        };
        if (options.GradientPreconditioning != GradientPreconditioning.None)
            json["preconditioningDamping"] = options.PreconditioningDamping;
        return json;
    }
}
