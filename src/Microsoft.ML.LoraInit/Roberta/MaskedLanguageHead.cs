using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// The head that RoBERTa was pre-trained with: dense → GELU → norm → decoder tied to the word embeddings, plus a bias
/// a token. It serves to check a checkpoint against the published model.
/// </summary>
internal sealed class MaskedLanguageHead
{
    private readonly Linear _dense;
    private readonly LayerNorm _norm;
    private readonly Parameter _bias;

    /// <param name="config">The model's shape.</param>
    /// <param name="tensors">The checkpoint's <c>lm_head.*</c> tensors by name; still the caller's.</param>
    public MaskedLanguageHead(RobertaConfig config, IReadOnlyDictionary<string, Tensor> tensors)
    {
        _dense = new Linear("lm_head.dense", Weight("lm_head.dense.weight", config.HiddenSize, config.HiddenSize), Weight("lm_head.dense.bias", config.HiddenSize));
        _norm = new LayerNorm(Weight("lm_head.layer_norm.weight", config.HiddenSize), Weight("lm_head.layer_norm.bias", config.HiddenSize), config.LayerNormEps);
        _bias = Weight("lm_head.bias", config.VocabularySize);

        Parameter Weight(string name, params long[] shape)
        {
            if (!tensors.TryGetValue(name, out var found))
                throw new InvalidDataException($"The checkpoint has no '{name}', which the masked-language head needs.");
            return found.shape.AsSpan().SequenceEqual(shape) ? new Parameter(name, found)
                : throw new InvalidDataException($"The checkpoint's '{name}' has the shape [{string.Join(", ", found.shape)}], not [{string.Join(", ", shape)}].");
        }
    }

    /// <summary>hidden [batch, length, hidden] → logits [batch, length, vocabulary].</summary>
    /// <param name="hidden">The last hidden states.</param>
    /// <param name="words">The word embeddings [vocabulary, hidden].</param>
    public Tensor forward(Tensor hidden, Parameter words) =>
        Products.Affine(_norm.forward(nn.functional.gelu(_dense.Affine(hidden))), words.Value, _bias.Value);
}
