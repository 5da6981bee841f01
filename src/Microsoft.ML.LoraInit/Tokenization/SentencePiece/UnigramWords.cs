using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.LoraInit.Tokenization.SentencePiece;

/// <summary>
/// The pieces of one word, by Microsoft.ML.Tokenizers' Unigram search. Neighbouring unknown characters are one unknown piece, as in
/// SentencePiece and transformers; the package (2.0.1) gives one each. Safe to use from several threads at once.
/// </summary>
internal sealed class UnigramWords
{
    private const int Unknown = 0;

    private readonly SentencePieceTokenizer _pieces;
    private readonly WordCache _cache = new();

    /// <param name="model">The model. Its normalisation is <see cref="Charsmap"/>'s.</param>
    public UnigramWords(SentencePieceModel model)
    {
        using var stream = new MemoryStream(model.ToBytes(withCharsmap: false), writable: false);
        _pieces = SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false);
    }

    /// <summary>SentencePiece's numbers of the word's pieces; not to be changed.</summary>
    /// <param name="word">With the mark before it, normalised.</param>
    public int[] Encode(ReadOnlySpan<char> word)
    {
        if (_cache.Find(word) is { } known)
            return known;
        var pieces = Fused(_pieces.EncodeToIds(word, addBeginningOfSentence: false, addEndOfSentence: false, considerPreTokenization: false, considerNormalization: false));
        _cache.Add(word, pieces);
        return pieces;
    }

    /// <summary>The lengths in characters of the pieces that <see cref="Encode"/> gives.</summary>
    public List<int> Lengths(ReadOnlySpan<char> word)
    {
        var lengths = new List<int>();
        int last = -1;
        foreach (var token in _pieces.EncodeToTokens(word, out _, addBeginningOfSentence: false, addEndOfSentence: false, considerPreTokenization: false, considerNormalization: false))
        {
            if (token.Id == Unknown && last == Unknown)
                lengths[^1] += token.Value.Length;
            else
                lengths.Add(token.Value.Length);
            last = token.Id;
        }
        return lengths;
    }

    private static int[] Fused(IReadOnlyList<int> pieces)
    {
        var fused = new List<int>(pieces.Count);
        foreach (int piece in pieces)
            if (piece != Unknown || fused.Count == 0 || fused[^1] != Unknown)
                fused.Add(piece);
        return [.. fused];
    }
}
