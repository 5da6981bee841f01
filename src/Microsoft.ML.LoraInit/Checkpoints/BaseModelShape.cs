using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>The size of a base model, as its <c>config.json</c> states it.</summary>
/// <param name="Layers">Layers of the encoder: 12 in RoBERTa base.</param>
/// <param name="HiddenSize">Width of the encoder: 768 in RoBERTa base.</param>
/// <param name="MaxLength">Tokens a row at most, special tokens included: 512 in the published models.</param>
public sealed record BaseModelShape(int Layers, int HiddenSize, int MaxLength)
{
    internal static BaseModelShape Of(RobertaConfig config) => new(config.Layers, config.HiddenSize, config.MaxLength);
}
