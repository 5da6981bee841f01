using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Tokenization.SentencePiece;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests;

/// <summary>
/// The fixture of XLM-RoBERTa: beside the test assembly a SentencePiece model with the ids of made-up texts, from which tests make small
/// models of their own; and, where LORAINIT_XLMR_FIXTURE names the folder that <c>../shared/tools/xlmr_fixtures.py</c> writes, all of it.
/// </summary>
internal static class XlmrData
{
    /// <summary>The embedded part's folder.</summary>
    public static string Embedded { get; } = Path.Combine(AppContext.BaseDirectory, "Data", "xlmr");

    /// <summary>For DynamicData: the files of cases on this machine.</summary>
    public static IEnumerable<object[]> Cases => Environment.GetEnvironmentVariable("LORAINIT_XLMR_FIXTURE") is { Length: > 0 } folder
        ? [[Path.Combine(Embedded, "cases.json")], [Path.Combine(folder, "xlm-roberta-tiny", "cases.json")]]
        : [[Path.Combine(Embedded, "cases.json")]];

    /// <summary>The full fixture's folder; the test is inconclusive, with the reason, where none is named.</summary>
    public static string Require(params string[] path)
    {
        var folder = Environment.GetEnvironmentVariable("LORAINIT_XLMR_FIXTURE");
        if (string.IsNullOrEmpty(folder))
            Assert.Inconclusive("The full fixture is made by ../shared/tools/xlmr_fixtures.py; name its folder in LORAINIT_XLMR_FIXTURE.");
        return Path.Combine([folder!, .. path]);
    }

    /// <summary>The rows of a file of cases.</summary>
    public static IReadOnlyList<(string Text, string? Pair, int[] Ids)> Read(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(file));
        return [.. json.RootElement.EnumerateArray().Select(c => (
            c.GetProperty("text").GetString()!, c.GetProperty("pair").GetString(), c.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32()).ToArray()))];
    }

    public static byte[] SentencePiece() => File.ReadAllBytes(Path.Combine(Embedded, "sentencepiece.bpe.model"));

    /// <summary>A configuration over the embedded vocabulary, of one small layer.</summary>
    public static string Config(string type = "xlm-roberta", int vocabulary = 5002, int positions = 66) => $$"""
        {"model_type": "{{type}}", "hidden_act": "gelu", "vocab_size": {{vocabulary}}, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 24, "max_position_embeddings": {{positions}}, "type_vocab_size": 1, "layer_norm_eps": 1e-05, "hidden_dropout_prob": 0.1,
         "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02, "pad_token_id": 1, "bos_token_id": {{(type == "camembert" ? 5 : 0)}}, "eos_token_id": {{(type == "camembert" ? 6 : 2)}}}
        """;

    /// <summary>Writes a small model with random weights over the embedded vocabulary, and names it as a checkpoint.</summary>
    public static RobertaCheckpoint Write(string folder, string? config = null, string tensorPrefix = "roberta.", byte[]? tokenizerJson = null)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        config ??= Config();
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        if (tokenizerJson is null)
            File.WriteAllBytes(Path.Combine(folder, "sentencepiece.bpe.model"), SentencePiece());
        else
            File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), tokenizerJson);
        var tensors = EncoderTensors.Expected(RobertaConfigReader.Parse(config, "xlmr"))
            .ToDictionary(e => e.Name.Replace("roberta.", tensorPrefix, StringComparison.Ordinal), e => randn(e.Shape, generator: generator).mul_(0.2));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors, new Dictionary<string, string> { ["format"] = "pt" });
        return RobertaCheckpoint.FromDirectory(folder);
    }

    /// <summary>A <c>tokenizer.json</c> as transformers writes it for the embedded vocabulary.</summary>
    /// <param name="change">Spoils it, or makes it one of an older version.</param>
    public static byte[] TokenizerJson(Action<JsonObject>? change = null)
    {
        var model = SentencePieceModel.Read(SentencePiece(), "embedded");
        var vocabulary = new JsonArray();
        foreach (var special in (string[])["<s>", "<pad>", "</s>", "<unk>"])
            vocabulary.Add(new JsonArray(special, 0.0));
        foreach (var (text, score) in model.Pieces.Skip(SentencePieceModel.Specials))
            vocabulary.Add(new JsonArray(text, (double)score));
        vocabulary.Add(new JsonArray("<mask>", 0.0));
        var json = JsonNode.Parse("""
            {"version": "1.0", "added_tokens": [{"id": 0, "content": "<s>", "special": true}, {"id": 5001, "content": "<mask>", "lstrip": true, "special": true}],
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": true}]},
             "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
              "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
               {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
              "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}, "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}}
            """)!.AsObject();
        json["normalizer"] = new JsonObject { ["type"] = "Precompiled", ["precompiled_charsmap"] = Convert.ToBase64String(model.Charsmap) };
        json["model"] = new JsonObject { ["type"] = "Unigram", ["unk_id"] = 3, ["vocab"] = vocabulary, ["byte_fallback"] = false };
        change?.Invoke(json);
        return Encoding.UTF8.GetBytes(json.ToJsonString());
    }
}
