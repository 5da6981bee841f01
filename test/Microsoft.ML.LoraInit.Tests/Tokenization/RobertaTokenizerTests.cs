using System.Text;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

[TestClass]
public sealed class RobertaTokenizerTests
{
    private static SubwordTokenizer Mini => TestTokenizers.Mini;

    [TestMethod]
    public void EmptyTextsAreOnlySpecialTokens()
    {
        CollectionAssert.AreEqual(new[] { 0, 2 }, Mini.Encode("", null, 512).Ids);
        CollectionAssert.AreEqual(new[] { 0, 2, 2, 2 }, Mini.Encode("", "", 512).Ids);
        CollectionAssert.AreEqual(new[] { 0, 91, 2, 2, 2 }, Mini.Encode("x", "", 512).Ids);
        CollectionAssert.AreEqual(new[] { 0, 2, 2, 91, 2 }, Mini.Encode("", "x", 512).Ids);
    }

    [TestMethod]
    public void PairsAreTruncatedOneTokenAtATimeFromTheLongerSide()
    {
        for (int first = 0; first < 12; first++)
        {
            for (int second = 0; second < 12; second++)
            {
                for (int maxLength = 5; maxLength < 30; maxLength++)
                {
                    var (keptFirst, keptSecond) = (first, second);
                    while (keptFirst + keptSecond > maxLength - 4)
                    {
                        if (keptFirst > keptSecond)
                            keptFirst--;
                        else
                            keptSecond--;
                    }
                    // Digits and letters are never one piece, so each character is a token.
                    var expected = Mini.Encode(Alternating(keptFirst), Alternating(keptSecond), 512).Ids;
                    CollectionAssert.AreEqual(expected, Mini.Encode(Alternating(first), Alternating(second), maxLength).Ids, $"{first}, {second}, {maxLength}");
                }
            }
        }

        static string Alternating(int tokens) => string.Concat(Enumerable.Range(0, tokens).Select(i => i % 2 == 0 ? "7" : "q"));
    }

    [TestMethod]
    public void SingleTextsKeepTheirFirstTokens()
    {
        var whole = Mini.Encode("one two three four five six", null, 512).Ids;
        var cut = Mini.Encode("one two three four five six", null, 6).Ids;
        CollectionAssert.AreEqual((int[])[.. whole.Take(5), 2], cut);
    }

    [TestMethod]
    [DataRow(2, false)]
    [DataRow(4, true)]
    [DataRow(513, false)]
    public void ALengthThatHoldsNoTextOrExceedsTheModelIsRefused(int maxLength, bool pair)
    {
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Mini.Encode("x", pair ? "y" : null, maxLength));
        StringAssert.Contains(error.Message, "512");
    }

    [TestMethod]
    public void RandomUnicodeDecodesBack()
    {
        var random = new SeededRandom(1);
        for (int trial = 0; trial < 3000; trial++)
        {
            var text = RandomText(random, 40);
            // What UTF-8 makes of it: unpaired surrogates become U+FFFD.
            var expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            var ids = Mini.Encode(text, null, 512).Ids;
            Assert.AreEqual(0, ids[0]);
            Assert.AreEqual(2, ids[^1]);
            Assert.AreEqual(expected, Mini.Decode(ids[1..^1]), string.Join(" ", text.Select(c => $"{(int)c:X4}")));
        }
    }

    [TestMethod]
    public void ThreadsGetTheSameIds()
    {
        var random = new SeededRandom(2);
        var texts = Enumerable.Range(0, 400).Select(_ => RandomText(random, 60)).ToArray();
        var expected = texts.Select(t => Mini.Encode(t, t, 128).Ids).ToArray();
        var fresh = TestTokenizers.Create(RobertaMiniData.Open("vocab.json"), RobertaMiniData.Open("merges.txt"), 8192);
        Parallel.For(0, 8 * texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            CollectionAssert.AreEqual(expected[i % texts.Length], fresh.Encode(texts[i % texts.Length], texts[i % texts.Length], 128).Ids));
    }

    [TestMethod]
    [DataRow("a")]
    [DataRow("antidisestablishmentarianism")]
    [DataRow(" ")]
    [DataRow("!?")]
    [DataRow("word ")]
    [DataRow("日本語")]
    [DataRow("😀")]
    [DataRow("\r\n\t")]
    public void AHundredThousandCharactersAreFast(string unit)
    {
        var text = string.Concat(Enumerable.Repeat(unit, 100_000 / unit.Length));
        Mini.Encode(unit, unit, 512);
        var before = Environment.CpuUsage.TotalTime; // Processor time: a busy machine does not change it.
        var ids = Mini.Encode(text, text, 512).Ids;
        var used = Environment.CpuUsage.TotalTime - before;
        Assert.IsTrue(used < TimeSpan.FromSeconds(2), $"{used.TotalMilliseconds} ms");
        Assert.AreEqual(512, ids.Length);
    }

    [TestMethod]
    public void FilesThatDoNotFitAreRefusedByName()
    {
        var bytes = string.Join(",", ByteAlphabet.Characters.ToArray().Select((c, i) => $"{System.Text.Json.JsonSerializer.Serialize(c.ToString())}:{i}"));
        Refused("{", "", "vocab.json");
        Refused("{}", "", "no tokens");
        Refused("{\"a\":0}", "", "byte-level");
        Refused($"{{{bytes},\"ab\":256}}", "", "256");
        Refused($"{{{bytes},\"ab\":3}}", "", "the id 3");
        Refused($"{{{bytes}}}", "#version: 0.2\na b", "line 2: 'ab'");
        Refused($"{{{bytes}}}", "#version: 0.2\na b c", "line 2");

        static void Refused(string vocabulary, string merges, string message)
        {
            var error = Assert.ThrowsExactly<InvalidDataException>(() => TestTokenizers.Create(
                new MemoryStream(Encoding.UTF8.GetBytes(vocabulary)), new MemoryStream(Encoding.UTF8.GetBytes(merges)), 256));
            StringAssert.Contains(error.Message, message);
        }
    }

    private static string RandomText(SeededRandom random, int maxLength) =>
        string.Concat(Enumerable.Range(0, random.Next(maxLength + 1)).Select(_ => random.Next(8) switch
        {
            0 => ((char)random.Next(0x10000)).ToString(), // Any unit, surrogates among them.
            1 => ((char)(0xD800 + random.Next(0x800))).ToString(),
            2 => new Rune(0x10000 + random.Next(0x100000)).ToString(),
            3 => " ",
            4 => "'s",
            5 => ((char)(0x80 + random.Next(0x800))).ToString(),
            _ => ((char)random.Next(128)).ToString(),
        }));
}
