using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

/// <summary>A tokenizer's settings, read from the files that transformers writes beside a base.</summary>
[TestClass]
public sealed class TokenizerFolderTests
{
    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DataRow("plain")]
    [DataRow("prefix")]
    [DataRow("added")]
    public void FoldersAsTransformersSavesThemGiveItsIds(string name)
    {
        var folder = ParityData.RequireShared(Path.Combine("parity", "tokenizers", name));
        var tokenizer = Open(file => File.Exists(Path.Combine(folder, file)) ? File.ReadAllBytes(Path.Combine(folder, file)) : null);
        using var cases = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "cases.json")));
        foreach (var row in cases.RootElement.EnumerateArray())
        {
            var (text, pair) = (row.GetProperty("text").GetString()!, row.GetProperty("pair").GetString());
            var ids = tokenizer.Encode(text, pair, row.GetProperty("max_length").GetInt32());
            CollectionAssert.AreEqual(row.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray(), ids.Ids, $"'{text}', '{pair}'");
            AssertPlaces(tokenizer, text, pair, ids);
        }
        Assert.AreEqual(44, cases.RootElement.GetArrayLength());
    }

    [TestMethod]
    public void ASpaceIsPutBeforeEveryRunOfTextWherePrefixSpaceIsOn()
    {
        var tokenizer = Open(Mini(settings: """{"add_prefix_space": true}"""));

        CollectionAssert.AreEqual(new[] { 0, 7782, 82, 957, 2 }, Ids(tokenizer, "Hello world"));
        CollectionAssert.AreEqual((int[])[.. Ids(tokenizer, "Hello world")[..^2], 8191, 957, 2], Ids(tokenizer, "Hello <mask>world") is var ids ? (int[])[.. ids[..3], 8191, .. ids[^2..]] : []);
        CollectionAssert.AreEqual(Ids(tokenizer, "Hello world"), Ids(tokenizer, " Hello world"));
        CollectionAssert.AreEqual(new[] { 0, 2 }, Ids(tokenizer, ""));
    }

    [TestMethod]
    public void SpecialTokensInATextAreSpecialUnlessTheyAreToBeText()
    {
        var tokenizer = Open(Mini());

        CollectionAssert.AreEqual(new[] { 0, 68, 8191, 2 }, Ids(tokenizer, "a<mask>"));
        CollectionAssert.AreEqual(new[] { 0, 68, 31, 80, 2684, 33, 2 }, Ids(tokenizer.With(tokenizer.Rule with { SpecialTokensAsText = true }), "a<mask>"));
        CollectionAssert.AreEqual(new[] { 0, 68, 31, 80, 2684, 33, 2 }, Ids(TestTokenizers.Mini, "a<mask>"));
    }

    [TestMethod]
    public void AMaskThatTakesTheSpaceBeforeItDoes()
    {
        var strip = Open(Mini(settings: """{"mask_token": {"content": "<mask>", "lstrip": true, "normalized": false}}"""));

        CollectionAssert.AreEqual(new[] { 0, 68, 8191, 2 }, Ids(strip, "a  <mask>"));
        CollectionAssert.AreEqual(new[] { 0, 68, 8191, 224, 69, 2 }[..3], Ids(strip, "a \n<mask> b")[..3]);
        var places = strip.Locate("a  <mask>", null, strip.Encode("a  <mask>", null, 64));
        Assert.AreEqual(new TokenSpan(3, 6, 1), places[2]!.Value.Span);
    }

    [TestMethod]
    public void AddedTokensBeyondTheVocabularyHaveTheirIds()
    {
        var files = Mini(size: 8194, added: """{"[E1]": 8192, "[E1]x": 8193}""");

        CollectionAssert.AreEqual(new[] { 0, 8192, 7782, 82, 2 }, Ids(Open(files, 8194), "[E1] Hello"));
        CollectionAssert.AreEqual(new[] { 0, 8193, 2 }, Ids(Open(files, 8194), "[E1]x"));
        StringAssert.Contains(Refused(files, 8192), "resize");
    }

    [TestMethod]
    public void MergesAreReadAsTextsOrPairs()
    {
        var pairs = Open(name => name == "tokenizer.json" ? TokenizerJsonOf(pairs: true) : null);
        var texts = Open(name => name == "tokenizer.json" ? TokenizerJsonOf(pairs: false) : null);

        CollectionAssert.AreEqual(Ids(TestTokenizers.Mini, "Hello world, twice."), Ids(pairs, "Hello world, twice."));
        CollectionAssert.AreEqual(Ids(pairs, "Hello world, twice."), Ids(texts, "Hello world, twice."));
    }

    [TestMethod]
    [DataRow("normalizer", """{"type": "NFKC"}""", "NFKC")]
    [DataRow("pre_tokenizer", """{"type": "Whitespace"}""", "Whitespace")]
    [DataRow("pre_tokenizer", """{"type": "ByteLevel", "use_regex": false}""", "use_regex")]
    [DataRow("pre_tokenizer", "null", "pre_tokenizer")]
    [DataRow("post_processor", """{"type": "BertProcessing"}""", "BertProcessing")]
    [DataRow("added_tokens", """[{"id": 8, "content": "<s>"}]""", "<s>")]
    [DataRow("added_tokens", "[7]", "added_tokens[0]")]
    public void ATokenizerThatIsNotRobertasIsRefusedByName(string key, string json, string named)
    {
        var root = JsonNode.Parse(TokenizerJsonOf(pairs: true))!;
        root[key] = JsonNode.Parse(json);

        StringAssert.Contains(Refused(name => name == "tokenizer.json" ? Encoding.UTF8.GetBytes(root.ToJsonString()) : null), named);
    }

    [TestMethod]
    [DataRow("bos_token_id", 5)]
    [DataRow("eos_token_id", 1)]
    [DataRow("pad_token_id", 0)]
    [DataRow("mask_token_id", 7)]
    public void IdsThatConfigJsonContradictsAreRefused(string key, int id)
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(Mini(), config: $$"""{"{{key}}": {{id}}}"""));
        StringAssert.Contains(error.Message, key);
    }

    [TestMethod]
    public void AVocabularyBesideAnotherTokenizerJsonIsRefused()
    {
        var root = JsonNode.Parse(TokenizerJsonOf(pairs: true))!;
        root["model"]!["merges"]!.AsArray().RemoveAt(100);
        var files = Mini();

        StringAssert.Contains(Refused(name => name == "tokenizer.json" ? Encoding.UTF8.GetBytes(root.ToJsonString()) : files(name)), "vocab.json");
    }

    [TestMethod]
    public void ARuleSurvivesJson()
    {
        var rule = Open(Mini(size: 8193, added: """{"[E1]": 8192}""", settings: """{"add_prefix_space": true}"""), 8193).Rule;

        var read = JsonSerializer.Deserialize<TokenizerRule>(JsonSerializer.Serialize(rule))!;
        Assert.IsTrue(read.SameAs(rule));
        Assert.IsFalse((read with { AddPrefixSpace = false }).SameAs(rule));
    }

    /// <summary>Together the places are the text, and none begins before it.</summary>
    private static void AssertPlaces(SubwordTokenizer tokenizer, string text, string? pair, EncodedText ids)
    {
        var places = tokenizer.Locate(text, pair, ids);
        Assert.HasCount(ids.Length, places);
        foreach (var (place, id) in places.Zip(ids.Ids))
        {
            if (place is not var (span, second))
                continue;
            var source = second ? pair! : text;
            Assert.IsTrue(span.Start >= 0 && span.Start + span.Length <= source.Length, $"'{source}': {span}");
            if (id >= 8191)
                Assert.AreEqual(tokenizer.Decode([id]), source.Substring(span.Start, span.Length));
        }
    }

    private static int[] Ids(SubwordTokenizer tokenizer, string text) => tokenizer.Encode(text, null, 64).Ids;

    private static string Refused(Func<string, byte[]?> files, int size = 8192) =>
        Assert.ThrowsExactly<InvalidDataException>(() => Open(files, size)).Message;

    private static SubwordTokenizer Open(Func<string, byte[]?> files, int? size = null, string? config = null)
    {
        var folder = new TokenizerFolder(RobertaModelType.Roberta, name => files(name) is { } bytes ? new MemoryStream(bytes) : null, "made-up");
        var text = config ?? (files("config.json") is { } stored ? Encoding.UTF8.GetString(stored) : "{}");
        var model = TestTokenizers.Config(size ?? (JsonNode.Parse(text)!["vocab_size"]?.GetValue<int>() ?? 8192));
        return folder.Tokenizer(model, folder.ReadRule(model, text));
    }

    private static Func<string, byte[]?> Mini(string? settings = null, string? added = null, int size = 8192) => name => name switch
    {
        "vocab.json" or "merges.txt" => Bytes(name),
        "tokenizer_config.json" when settings is not null => Encoding.UTF8.GetBytes(settings),
        "added_tokens.json" when added is not null => Encoding.UTF8.GetBytes(added),
        "config.json" => Encoding.UTF8.GetBytes($$"""{"vocab_size": {{size}}}"""),
        _ => null,
    };

    private static byte[] TokenizerJsonOf(bool pairs)
    {
        var merges = Encoding.UTF8.GetString(Bytes("merges.txt")).Split('\n').Skip(1).Where(l => l.Length > 0);
        return Encoding.UTF8.GetBytes(new JsonObject
        {
            ["added_tokens"] = new JsonArray(),
            ["normalizer"] = null,
            ["pre_tokenizer"] = JsonNode.Parse("""{"type": "ByteLevel", "add_prefix_space": false}"""),
            ["post_processor"] = JsonNode.Parse("""{"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}"""),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = JsonNode.Parse(Bytes("vocab.json")),
                ["merges"] = new JsonArray([.. merges.Select(m => pairs ? (JsonNode)new JsonArray([.. m.Split(' ').Select(t => (JsonNode)t)]) : m)]),
            },
        }.ToJsonString());
    }

    private static byte[] Bytes(string name)
    {
        using var stream = RobertaMiniData.Open(name);
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
