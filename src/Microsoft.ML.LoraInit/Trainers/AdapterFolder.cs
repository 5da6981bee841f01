using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Writes what was trained as PEFT does, whether a transformer holds it or not.</summary>
internal static class AdapterFolder
{
    /// <param name="state">What was trained.</param>
    /// <param name="checkpoint">Where its base came from.</param>
    /// <param name="baseWeight">As of <see cref="PlainLoraConversion.Convert(FineTunedState, Func{string, Tensor}, int?)"/>.</param>
    /// <param name="folder">New or empty.</param>
    /// <param name="rank">The highest rank wanted; null keeps everything.</param>
    /// <param name="temperature">What logits are divided by; goes into the head.</param>
    /// <param name="more">Adds files to the folder; null for none.</param>
    /// <exception cref="NotSupportedException">There are no low-rank adapters, or no exact form and no rank is given.</exception>
    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static PeftExport Write(FineTunedState state, RobertaCheckpoint checkpoint, Func<string, Tensor> baseWeight, string folder, int? rank = null, double temperature = 1, Action<string>? more = null)
    {
        using var scope = NewDisposeScope();
        // PEFT's own form of the method where it has one and holds the model; a plain LoRA elsewhere, or where a rank is asked for.
        var family = rank is null ? PeftFamilyWeights.Of(state) : null;
        var adapters = family is null ? PlainLoraConversion.Convert(state, baseWeight, rank) : [];
        var head = ClassificationHead.Layout(state.Config, state.Outputs).ToDictionary(l => l.Name, l => state.Tensors[l.Name], StringComparer.Ordinal);
        HeadTemperature.Fold(head, temperature);
        var weights = new PeftWeights(adapters, head, state.Adapters[0].Description.Dropout)
        {
            Family = family,
            Bias = (state.Method as LoraMethod)?.Bias ?? LoraBias.None,
            Biases = state.TrainedBase,
        };
        var stored = StoredBase.Of(checkpoint, state.Base);
        PeftWriter.Write(folder, weights, PeftWriter.Config(weights, state.Config, stored.Source.Split('@')[0], stored.Revision), more);
        return family is null ? PeftExport.Of(folder, adapters, state.IsQuantized) : PeftExport.Of(folder, family, state.IsQuantized);
    }
}
