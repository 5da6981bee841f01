using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Rows read but not yet tokenised: enough to keep every core busy, few enough to bound the memory.</summary>
internal sealed class TextWindow
{
    private const int MaxRows = 4096;
    private const int MaxCharacters = 8 << 20;

    private readonly List<(string Text, string? Pair)> _rows = [];
    private long _characters;

    public int Count => _rows.Count;

    public bool IsFull => _rows.Count >= MaxRows || _characters >= MaxCharacters;

    public void Clear()
    {
        _rows.Clear();
        _characters = 0;
    }

    public void Add(string text, string? pair)
    {
        _rows.Add((text, pair));
        _characters += text.Length + (pair?.Length ?? 0);
    }

    /// <summary>The rows' tokens, in the order they were added: of each its windows, mostly one.</summary>
    public EncodedText[][] Encode(SubwordTokenizer tokenizer, int maxLength, LongText longText, ParallelOptions options)
    {
        var encoded = new EncodedText[_rows.Count][];
        Parallel.For(0, encoded.Length, options, i => encoded[i] = tokenizer.Encode(_rows[i].Text, _rows[i].Pair, maxLength, longText));
        return encoded;
    }
}
