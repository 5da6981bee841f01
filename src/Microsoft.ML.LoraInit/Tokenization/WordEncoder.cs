using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// The BPE ids of one piece of text in <see cref="ByteAlphabet"/> characters. Short pieces go straight to the library.
/// Its time is quadratic in the piece's length, so long ones (a 100,000-character "word") are encoded in parts that are
/// joined exactly.
/// </summary>
/// <remarks>
/// Joining rests on a property of BPE: a token sequence is the encoding of its text if and only if every two neighbours
/// are the encoding of theirs. The first merge that crosses a boundary of the sequence would also be made in the two
/// neighbours alone (github/rust-gems, crates/bpe, explains and proves it). So two encoded parts may be put together
/// where the tokens at the seam are stable; where they are not, a window around the seam is encoded again and widened
/// until both its ends are stable.
/// </remarks>
internal sealed class WordEncoder(BpeTokenizer bpe, string[] tokens)
{
    private const int PartLength = 256;
    private const int FirstWindow = 4;

    public IReadOnlyList<int> Encode(string word) => word.Length <= 2 * PartLength ? EncodeWhole(word) : EncodeInParts(word);

    /// <summary>By the library in one go, however long the word.</summary>
    internal IReadOnlyList<int> EncodeWhole(string word) =>
        bpe.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false);

    internal List<int> EncodeInParts(string word)
    {
        var ids = new List<int>();
        for (int start = 0; start < word.Length; start += PartLength)
            Append(ids, EncodeWhole(word.Substring(start, Math.Min(PartLength, word.Length - start))));
        return ids;
    }

    private void Append(List<int> left, IReadOnlyList<int> right)
    {
        if (left.Count == 0 || AreStable(left[^1], right[0]))
        {
            left.AddRange(right);
            return;
        }
        for (int window = FirstWindow; ; window *= 2)
        {
            int fromLeft = Math.Min(window, left.Count), fromRight = Math.Min(window, right.Count);
            var middle = EncodeWhole(Text(left.Skip(left.Count - fromLeft).Concat(right.Take(fromRight))));
            bool stable = (fromLeft == left.Count || AreStable(left[^(fromLeft + 1)], middle[0]))
                && (fromRight == right.Count || AreStable(middle[^1], right[fromRight]));
            if (!stable)
                continue;
            left.RemoveRange(left.Count - fromLeft, fromLeft);
            left.AddRange(middle);
            left.AddRange(right.Skip(fromRight));
            return;
        }
    }

    private bool AreStable(int first, int second)
    {
        var ids = EncodeWhole(tokens[first] + tokens[second]);
        return ids.Count == 2 && ids[0] == first && ids[1] == second;
    }

    private string Text(IEnumerable<int> ids) => string.Concat(ids.Select(id => tokens[id]));
}
