using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

[TestClass]
public sealed partial class PreTokenizerTests
{
    // GPT-2's pattern. Within the Basic Multilingual Plane .NET reads it as the reference does.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();

    [TestMethod]
    public void CutsAsThePatternDoes()
    {
        var random = new SeededRandom(3);
        string[] pieces = [" ", "  ", "\t", "\r\n", "\u00A0", "\u3000", "\u200B", "'", "'s", "'ll", "'S", "a", "Word", "é", "日", "1", "½", "Ⅷ", ".", "—", "\u0301", "<", "\u0085", "\u001C"];
        for (int trial = 0; trial < 20_000; trial++)
        {
            var text = string.Concat(Enumerable.Range(0, 1 + random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]));
            CollectionAssert.AreEqual(Pattern().Matches(text).Select(m => m.Value).ToArray(), Cut(text), string.Join(" ", text.Select(c => $"{(int)c:X4}")));
        }
    }

    [TestMethod]
    public void LettersAndDigitsBeyondTheBasicPlaneAreLettersAndDigits()
    {
        CollectionAssert.AreEqual(new[] { "!", "𝐀𝐁x", "𝟏2", "😀!" }, Cut("!𝐀𝐁x𝟏2😀!"));
        CollectionAssert.AreEqual(new[] { "x𠀀", " 𠀀", " 😀", "𠀀" }, Cut("x𠀀 𠀀 😀𠀀"));
    }

    private static string[] Cut(string text)
    {
        var pieces = new List<string>();
        for (var rest = text; rest.Length > 0; rest = rest[pieces[^1].Length..])
            pieces.Add(rest[..PreTokenizer.NextLength(rest)]);
        return [.. pieces];
    }

    [TestMethod]
    public void TheAlphabetHoldsEveryByteOnce()
    {
        Assert.AreEqual(256, ByteAlphabet.Characters.ToArray().Distinct().Count());
        Assert.AreEqual("Ġ", ByteAlphabet.Encode(" "));
        Assert.AreEqual("Ċ", ByteAlphabet.Encode("\n"));
        Assert.AreEqual("æĹ¥", ByteAlphabet.Encode("日"));
        Assert.AreEqual(Encoding.UTF8.GetString([0xE6, 0x97]), ByteAlphabet.Decode("æĹ"));
    }
}
