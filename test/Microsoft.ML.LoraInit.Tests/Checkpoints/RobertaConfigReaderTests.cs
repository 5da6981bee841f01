using Microsoft.ML.LoraInit.Checkpoints;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

[TestClass]
public sealed class RobertaConfigReaderTests
{
    [TestMethod]
    public void EveryKeyIsTaken()
    {
        var config = RobertaConfigReader.Parse(TinyCheckpoint.Config, "tiny");
        Assert.AreEqual(16, config.VocabularySize);
        Assert.AreEqual(8, config.HiddenSize);
        Assert.AreEqual(1, config.Layers);
        Assert.AreEqual(2, config.Heads);
        Assert.AreEqual(12, config.IntermediateSize);
        Assert.AreEqual(10, config.MaxPositions);
        Assert.AreEqual(8, config.MaxLength);
        Assert.AreEqual(1e-5, config.LayerNormEps);
        Assert.AreEqual(0.2, config.HiddenDropout);
        Assert.AreEqual(0.1, config.AttentionDropout);
        Assert.AreEqual(0.2, config.ClassifierDropout, "null stands for the hidden dropout");
        Assert.AreEqual((0, 1, 2), (config.BosTokenId, config.PadTokenId, config.EosTokenId));
    }

    // Values as published in the config.json of these repositories.
    [TestMethod]
    [DataRow("FacebookAI/roberta-base", 768, 12, 12, 3072)]
    [DataRow("FacebookAI/roberta-large", 1024, 24, 16, 4096)]
    [DataRow("distilbert/distilroberta-base", 768, 6, 12, 3072)]
    public void PublishedShapesLoad(string id, int hidden, int layers, int heads, int intermediate)
    {
        var json = $$"""
            {"architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "eos_token_id": 2,
             "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": {{hidden}}, "initializer_range": 0.02,
             "intermediate_size": {{intermediate}}, "layer_norm_eps": 1e-05, "max_position_embeddings": 514, "model_type": "roberta",
             "num_attention_heads": {{heads}}, "num_hidden_layers": {{layers}}, "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 50265}
            """;
        var config = RobertaConfigReader.Parse(json, id);
        Assert.AreEqual(512, config.MaxLength);
        Assert.AreEqual(64, config.HeadSize);
        Assert.AreEqual(layers, config.Layers);
        Assert.AreEqual(0.1, config.ClassifierDropout);
    }

    [TestMethod]
    [DataRow("model_type", "\"bert\"", "'roberta'")]
    [DataRow("model_type", null, "is missing")]
    [DataRow("hidden_act", "\"gelu_new\"", "'gelu'")]
    [DataRow("position_embedding_type", "\"relative_key\"", "'absolute'")]
    [DataRow("is_decoder", "true", "encoders")]
    [DataRow("add_cross_attention", "true", "encoders")]
    [DataRow("quantization_config", "{}", "quantised")]
    [DataRow("vocab_size", null, "is missing")]
    [DataRow("vocab_size", "\"16\"", "whole number")]
    [DataRow("vocab_size", "99999999999", "whole number")]
    [DataRow("hidden_size", "0", "whole number from 1")]
    [DataRow("num_hidden_layers", "1000000", "to 1024")]
    [DataRow("num_attention_heads", "3", "divide")]
    [DataRow("intermediate_size", "1.5", "whole number")]
    [DataRow("layer_norm_eps", "0", "above 0")]
    [DataRow("layer_norm_eps", null, "is missing")]
    [DataRow("hidden_dropout_prob", "1", "below 1")]
    [DataRow("hidden_dropout_prob", "-0.1", "from 0")]
    [DataRow("classifier_dropout", "\"none\"", "a number")]
    [DataRow("pad_token_id", "16", "below vocab_size")]
    [DataRow("max_position_embeddings", "4", "leaves room for 2")]
    public void UnusableKeysAreNamed(string key, string? json, string reason)
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => RobertaConfigReader.Parse(TinyCheckpoint.ConfigWith(key, json), "some/config.json"));
        StringAssert.Contains(error.Message, "some/config.json");
        StringAssert.Contains(error.Message, $"'{key}'");
        StringAssert.Contains(error.Message, reason);
    }

    [TestMethod]
    [DataRow("{", "not valid JSON")]
    [DataRow("[1]", "no JSON object")]
    [DataRow("""{"model_type":"roberta","model_type":"bert"}""", "Duplicate")]
    public void WhatIsNoConfigurationIsRefused(string json, string reason)
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => RobertaConfigReader.Parse(json, "x"));
        StringAssert.Contains(error.Message, reason);
    }
}
