using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>Some texts' tokens, one text after another, without padding.</summary>
internal sealed class UnpaddedTexts
{
    private readonly EncodedText[] _texts;
    private readonly int[] _starts;

    public UnpaddedTexts(params EncodedText[] texts)
    {
        _texts = texts;
        _starts = new int[texts.Length + 1];
        for (int i = 0; i < texts.Length; i++)
            _starts[i + 1] = _starts[i] + texts[i].Length;
    }

    /// <summary>Number of texts.</summary>
    public int Count => _texts.Length;

    /// <summary>Number of tokens.</summary>
    public int Tokens => _starts[^1];

    /// <summary>Place of a text's first token.</summary>
    public int Start(int text) => _starts[text];

    /// <summary>A text's tokens.</summary>
    public int Length(int text) => _texts[text].Length;

    /// <summary>A text's token ids.</summary>
    public ReadOnlySpan<int> Ids(int text) => _texts[text].Ids;
}
