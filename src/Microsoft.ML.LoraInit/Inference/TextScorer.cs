using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Tokenises and scores; owns the predictor.</summary>
internal sealed class TextScorer(RobertaTokenizer tokenizer, RobertaPredictor predictor, int maxLength) : ITextScorer
{
    public float[][] Score(IReadOnlyList<TextPair> texts)
    {
        var encoded = new EncodedText[texts.Count];
        if (encoded.Length == 1)
            encoded[0] = tokenizer.Encode(texts[0].First, texts[0].Second, maxLength);
        else
            Parallel.For(0, encoded.Length, i => encoded[i] = tokenizer.Encode(texts[i].First, texts[i].Second, maxLength));
        return predictor.Predict(encoded);
    }

    public void Dispose() => predictor.Dispose();
}
