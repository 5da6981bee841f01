using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

/// <summary>Words encoded in parts have the ids that the library gives them in one go.</summary>
[TestClass]
public sealed class WordEncoderTests
{
    [TestMethod]
    public void PartsJoinExactlyWithTheMiniVocabulary()
    {
        using Stream vocabulary = RobertaMiniData.Open("vocab.json"), merges = RobertaMiniData.Open("merges.txt");
        Compare(vocabulary, merges, 8192);
    }

    [TestMethod]
    public void PartsJoinExactlyWithRobertaBase()
    {
        var folder = ParityData.RequireShared(Path.Combine("models", "roberta-base-tokenizer"));
        using Stream vocabulary = File.OpenRead(Path.Combine(folder, "vocab.json")), merges = File.OpenRead(Path.Combine(folder, "merges.txt"));
        Compare(vocabulary, merges, 50265);
    }

    private static void Compare(Stream vocabulary, Stream merges, int size)
    {
        var (bpe, tokens) = VocabularyReader.Read(vocabulary, merges, TestTokenizers.Config(size));
        var encoder = new WordEncoder(bpe, tokens);
        var random = new SeededRandom(4);
        // Few letters make long merges and repetitions, in which a cut disturbs the most tokens.
        string[] alphabets = ["a", "ab", "aA", "=", "-=", "Ġ", "hat", "the", "ing", "estion", "0", "01", "etaoinshr", "Ã¢", "ðŁĺĢ", "abcdefghijklmnopqrstuvwxyz"];
        int rejoined = 0;
        foreach (var alphabet in alphabets)
        {
            for (int trial = 0; trial < 12; trial++)
            {
                int length = 513 + random.Next(1500);
                bool repeat = trial % 3 == 0; // A period instead of draws.
                var word = string.Create(length, 0, (characters, _) =>
                {
                    for (int i = 0; i < characters.Length; i++)
                        characters[i] = alphabet[repeat ? i % alphabet.Length : random.Next(alphabet.Length)];
                });
                CollectionAssert.AreEqual(encoder.EncodeWhole(word).ToArray(), encoder.EncodeInParts(word), word);
                var cut = word.Chunk(256).SelectMany(part => encoder.EncodeWhole(new string(part)));
                rejoined += cut.SequenceEqual(encoder.EncodeWhole(word)) ? 0 : 1;
            }
        }
        Assert.IsTrue(rejoined > 20, $"Only {rejoined} words needed their seams repaired: the test does not test the joining.");
    }
}
