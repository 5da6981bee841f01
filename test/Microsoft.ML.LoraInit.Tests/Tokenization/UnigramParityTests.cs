using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

/// <summary>Ids as XLM-RoBERTa has them.</summary>
[TestClass]
[TestCategory(ParityData.Category)]
public sealed class UnigramParityTests
{
    [TestMethod]
    [DynamicData(nameof(XlmrData.Cases), typeof(XlmrData))]
    public void ASentencePieceModelGivesTheReferenceIds(string file)
    {
        using var folder = new TemporaryFolder();
        Compare(file, XlmrData.Write(folder.Path));
    }

    [TestMethod]
    [DynamicData(nameof(XlmrData.Cases), typeof(XlmrData))]
    public void ATokenizerJsonAloneGivesTheReferenceIds(string file)
    {
        using var folder = new TemporaryFolder();
        // That mask takes the white space before it, as older files say, makes no difference: it would be no token.
        Compare(file, XlmrData.Write(folder.Path, tokenizerJson: XlmrData.TokenizerJson()));
    }

    [TestMethod]
    public void TheFixturesOwnFilesGiveTheReferenceIds()
    {
        var folder = XlmrData.Require("xlm-roberta-tiny");
        Compare(Path.Combine(folder, "cases.json"), RobertaCheckpoint.FromDirectory(folder));
        using var json = new TemporaryFolder();
        foreach (var (from, name) in new[] { (folder, "config.json"), (folder, "model.safetensors"), ($"{folder}-tokenizer", "tokenizer.json"), ($"{folder}-tokenizer", "tokenizer_config.json") })
            File.Copy(Path.Combine(from, name), json.File(name));
        Compare(Path.Combine(folder, "cases.json"), RobertaCheckpoint.FromDirectory(json.Path));
    }

    private static void Compare(string file, RobertaCheckpoint checkpoint)
    {
        using var files = checkpoint.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var cases = XlmrData.Read(file);
        Assert.IsGreaterThan(30, cases.Count);
        foreach (var (text, pair, ids) in cases)
        {
            var actual = tokenizer.Encode(text, pair, 64);
            CollectionAssert.AreEqual(ids, actual.Ids, $"'{text[..Math.Min(60, text.Length)]}': expected {string.Join(",", ids)}, got {string.Join(",", actual.Ids)}");
            AssertPlaces(tokenizer, text, pair, actual);
        }
    }

    /// <summary>Every token has a place in its text, in order and none twice; the words' characters are all covered.</summary>
    private static void AssertPlaces(SubwordTokenizer tokenizer, string text, string? pair, EncodedText ids)
    {
        var places = tokenizer.Locate(text, pair, ids);
        Assert.HasCount(ids.Length, places);
        foreach (bool second in new[] { false, true })
        {
            var source = second ? pair! : text;
            int end = 0;
            foreach (var span in places.OfType<(TokenSpan Span, bool IsSecond)>().Where(p => p.IsSecond == second).Select(p => p.Span))
            {
                Assert.IsTrue(span.Start >= end && span.Length >= 0 && span.Start + span.Length <= source.Length, $"'{source}': {span} after {end}");
                // What no token has is white space, or what normalisation takes away.
                Assert.IsTrue(source[end..span.Start].All(c => char.IsWhiteSpace(c) || char.IsControl(c) || c is '\u200B' or '\uFEFF' or '\u2581' or '\uFFFD'), $"'{source}': '{source[end..span.Start]}' is no token's");
                end = span.Start + span.Length;
            }
        }
    }
}
