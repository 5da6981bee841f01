using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>Puts a temperature into a head, for readers that know none: logits / T is a projection with weight / T and bias / T.</summary>
internal static class HeadTemperature
{
    /// <param name="weights">Those of the head's projection are replaced; the new ones are in the caller's dispose scope.</param>
    /// <param name="temperature">1 for nothing.</param>
    public static void Fold(Dictionary<string, Tensor> weights, double temperature)
    {
        if (temperature == 1)
            return;
        foreach (var name in (string[])[$"{RobertaNames.HeadProjection}.weight", $"{RobertaNames.HeadProjection}.bias"])
            weights[name] = weights[name].Div(temperature);
    }
}
