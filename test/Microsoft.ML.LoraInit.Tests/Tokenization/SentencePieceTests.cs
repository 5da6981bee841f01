using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Tokenization.SentencePiece;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

[TestClass]
public sealed class SentencePieceTests
{
    [TestMethod]
    public void AModelSurvivesWriting()
    {
        var model = SentencePieceModel.Read(XlmrData.SentencePiece(), "embedded");
        Assert.AreEqual(5000, model.Pieces.Count);
        Assert.AreEqual(("\u2581", -2.5424416f), model.Pieces[3]);
        Assert.AreEqual(240_007, model.Charsmap.Length);
        var bytes = model.ToBytes();
        Assert.IsTrue(SentencePieceModel.Read(bytes, "written").SameAs(model));
        CollectionAssert.AreEqual(bytes, SentencePieceModel.Read(bytes, "written").ToBytes());
    }

    [TestMethod]
    public void EveryCutIsRefused()
    {
        var bytes = XlmrData.SentencePiece();
        foreach (int length in new[] { 0, 1, 13, 20, 33, 1000, bytes.Length / 2, bytes.Length - 1 })
            Assert.ThrowsExactly<InvalidDataException>(() => SentencePieceModel.Read(bytes.AsSpan(0, length), "cut"), $"{length} bytes");
    }

    [TestMethod]
    [DataRow(2, 3, 2, "model_type is 2")]
    [DataRow(2, 35, 1, "byte_fallback")]
    [DataRow(2, 24, 1, "treat_whitespace_as_suffix")]
    [DataRow(3, 3, 0, "add_dummy_prefix")]
    [DataRow(3, 4, 0, "remove_extra_whitespaces")]
    [DataRow(3, 5, 0, "escape_whitespaces")]
    public void OtherKindsOfModelsAreRefusedByName(int message, int field, int value, string expected)
    {
        byte[] bytes = [.. XlmrData.SentencePiece(), .. new ProtobufMessage().Message(message, new ProtobufMessage().Integer(field, value)).ToArray()];
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => SentencePieceModel.Read(bytes, "m")).Message, expected);
    }

    [TestMethod]
    [DataRow("a", 0f, 1, "the piece 'a' twice")]
    [DataRow("a", 0f, 4, "of the type 4")]
    [DataRow("new", float.NaN, 1, "no finite number")]
    [DataRow("", 0f, 1, "empty piece")]
    public void BadPiecesAreRefused(string text, float score, int type, string expected)
    {
        byte[] Piece(string t, float s, int k) => new ProtobufMessage().Message(1, new ProtobufMessage().Text(1, t).Single(2, s).Integer(3, k)).ToArray();
        byte[] bytes = [.. Piece("<unk>", 0, 2), .. Piece("<s>", 0, 3), .. Piece("</s>", 0, 3), .. Piece("a", -1, 1), .. Piece(text, score, type)];
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => SentencePieceModel.Read(bytes, "m")).Message, expected);
    }

    [TestMethod]
    [DataRow("", "")]
    [DataRow("abc def", "abc def")]
    [DataRow("\uFF21\u2460\uFB01\u00BD", "A1fi1\u20442")]
    [DataRow("e\u0301 e\u0302\u0301", "\u00E9 \u1EBF", DisplayName = "the longest run counts")]
    [DataRow("\u1112\u1161\u11AB", "\uD55C", DisplayName = "Hangul of separate letters is composed")]
    [DataRow("a\t\u3000b\u0007c", "a  bc")]
    [DataRow("\U0001F600\U0001D400", "\U0001F600A")]
    public void TextsAreNormalisedAsSentencePieceDoes(string text, string expected)
    {
        var places = new List<(int First, int Last)>();
        var charsmap = Charsmap.Parse(SentencePieceModel.Read(XlmrData.SentencePiece(), "embedded").Charsmap, "embedded");

        Assert.AreEqual(expected, charsmap.Normalize(text, places));

        Assert.HasCount(expected.Length, places);
        Assert.IsTrue(places.All(p => p.First >= 0 && p.First <= p.Last && p.Last < text.Length));
        Assert.AreEqual(text, Charsmap.Parse([], "none").Normalize(text));
    }

    [TestMethod]
    public void ADamagedMapNeverEscapesItsBounds()
    {
        var bytes = SentencePieceModel.Read(XlmrData.SentencePiece(), "embedded").Charsmap;
        var random = new Random(4);
        for (int round = 0; round < 200; round++)
        {
            var spoilt = (byte[])bytes.Clone();
            for (int i = 0; i < 2000; i++)
                spoilt[random.Next(4, spoilt.Length - 1)] = (byte)random.Next(256);
            Assert.IsNotNull(Charsmap.Parse(spoilt, "spoilt").Normalize("The e\u0301 \uFF21 \uD55C \U0001F600 text"));
        }
        foreach (int length in new[] { 1, 4, 5, 100, bytes.Length - 1 })
            Assert.ThrowsExactly<InvalidDataException>(() => Charsmap.Parse(bytes.AsSpan(0, length), "cut"));
    }

    [TestMethod]
    [DataRow("normalizer", """{"type": "Lowercase"}""", "'Lowercase'")]
    [DataRow("normalizer", """{"type": "Precompiled", "precompiled_charsmap": "?"}""", "base 64")]
    [DataRow("pre_tokenizer", """{"type": "ByteLevel"}""", "'ByteLevel'")]
    [DataRow("pre_tokenizer", """{"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never"}""", "before every word")]
    [DataRow("model", """{"type": "BPE"}""", "'BPE'")]
    [DataRow("model", """{"type": "Unigram", "vocab": [["<s>", 0]]}""", "'<pad>' is expected")]
    [DataRow("model", """{"type": "Unigram", "unk_id": 0, "vocab": [["<s>", 0]]}""", "unk_id")]
    [DataRow("post_processor", null, "post_processor")]
    public void AnotherTokenizerJsonIsRefusedByName(string key, string? json, string expected)
    {
        using var folder = new TemporaryFolder();
        var checkpoint = XlmrData.Write(folder.Path, tokenizerJson: XlmrData.TokenizerJson(t => t[key] = json is null ? null : JsonNode.Parse(json)));
        StringAssert.Contains(Refused(checkpoint), expected);
    }

    [TestMethod]
    public void OlderFormsOfATokenizerJsonAreRead()
    {
        using var folder = new TemporaryFolder();
        var checkpoint = XlmrData.Write(folder.Path, tokenizerJson: XlmrData.TokenizerJson(t =>
        {
            t["pre_tokenizer"] = JsonNode.Parse("""{"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": true}""");
            t["normalizer"] = new JsonObject { ["type"] = "Sequence", ["normalizers"] = new JsonArray(t["normalizer"]!.DeepClone(), JsonNode.Parse("""{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}""")) };
        }));
        CollectionAssert.AreEqual(new[] { 0, 1386, 4, 6, 152, 78, 6, 2 }, Ids(checkpoint, "two  spaces "));
        CollectionAssert.AreEqual(new[] { 0, 15, 5001, 484, 2 }, Ids(checkpoint, "a <mask>b"), "the mask takes the white space before it");
    }

    [TestMethod]
    public void FilesOfTwoTokenizersAreRefused()
    {
        using var folder = new TemporaryFolder();
        var checkpoint = XlmrData.Write(folder.Path);
        File.WriteAllBytes(folder.File("tokenizer.json"), XlmrData.TokenizerJson());
        CollectionAssert.AreEqual(new[] { 0, 597, 100, 2 }, Ids(checkpoint, "trail"));
        File.WriteAllBytes(folder.File("tokenizer.json"), XlmrData.TokenizerJson(t => t["model"]!["vocab"]![7]![1] = -1.5));
        StringAssert.Contains(Refused(checkpoint), "not of one tokenizer");
    }

    [TestMethod]
    public void SettingsAreReadAndRefused()
    {
        using var folder = new TemporaryFolder();
        var checkpoint = XlmrData.Write(folder.Path, XlmrData.Config(vocabulary: 5003));
        File.WriteAllText(folder.File("added_tokens.json"), """{"[E1]": 5002}""");
        CollectionAssert.AreEqual(new[] { 0, 15, 5002, 484, 2 }, Ids(checkpoint, "a[E1]b"));
        File.WriteAllText(folder.File("tokenizer_config.json"), """{"add_prefix_space": false}""");
        StringAssert.Contains(Refused(checkpoint), "add_prefix_space");
    }

    [TestMethod]
    public void SpecialTokensInTextsCanBeText()
    {
        using var folder = new TemporaryFolder();
        using var files = XlmrData.Write(folder.Path).Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var plain = tokenizer.With(tokenizer.Rule with { SpecialTokensAsText = true });
        CollectionAssert.Contains(tokenizer.Encode("a<mask>b", null, 64).Ids, 5001);
        CollectionAssert.DoesNotContain(plain.Encode("a<mask>b", null, 64).Ids, 5001);
        Assert.AreEqual(" a<mask>b", plain.Decode(plain.Encode("a<mask>b", null, 64).Ids[1..^1]).Replace("<unk>", "<", StringComparison.Ordinal).Replace("<mask<", "<mask>", StringComparison.Ordinal));
    }

    [TestMethod]
    public void CamembertsIdsBeginBehindItsFiveTokens()
    {
        using var folder = new TemporaryFolder();
        var xlmr = Ids(XlmrData.Write(folder.File("xlmr")), "La boulangère ferme.");
        // transformers: id = piece + 4, where XLM-R has piece + 1; <s> and </s> are pieces 1 and 2.
        int[] expected = [5, .. xlmr[1..^1].Select(i => i == 3 ? 3 : i + 3), 6];
        CollectionAssert.AreEqual(expected, Ids(XlmrData.Write(folder.File("camembert"), XlmrData.Config("camembert", 5005)), "La boulangère ferme."));
        StringAssert.Contains(Refused(XlmrData.Write(folder.File("small"), XlmrData.Config("camembert", 5004))), "vocab_size of 5004");
    }

    [TestMethod]
    public void LongTextsAndLongWordsAreCutInTime()
    {
        using var folder = new TemporaryFolder();
        var checkpoint = XlmrData.Write(folder.Path);
        Assert.HasCount(64, Ids(checkpoint, string.Concat(Enumerable.Repeat("un texte trop long, ", 20_000))));
        Assert.HasCount(64, Ids(checkpoint, new string('x', 100_000)));
    }

    private static int[] Ids(RobertaCheckpoint checkpoint, string text)
    {
        using var files = checkpoint.Open(null, CancellationToken.None);
        return files.OpenTokenizer().Encode(text, null, 64).Ids;
    }

    private static string Refused(RobertaCheckpoint checkpoint)
    {
        using var files = checkpoint.Open(null, CancellationToken.None);
        return Assert.ThrowsExactly<InvalidDataException>(files.OpenTokenizer).Message;
    }
}
