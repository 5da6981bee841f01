using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

/// <summary>Names and shapes of the published checkpoints, against those that the model is built from. No weights are needed.</summary>
[TestClass]
public sealed class StateDictTests
{
    /// <summary>The shapes of the published configurations (their config.json on the hub).</summary>
    internal static IReadOnlyDictionary<string, RobertaConfig> Published { get; } = new Dictionary<string, RobertaConfig>
    {
        ["distilroberta-base"] = Shape(layers: 6, hidden: 768, heads: 12),
        ["roberta-base"] = Shape(layers: 12, hidden: 768, heads: 12),
        ["roberta-large"] = Shape(layers: 24, hidden: 1024, heads: 16),
    };

    // Parameters of RobertaModel without its pooler, as transformers counts them, and of a two-label head.
    [TestMethod]
    [DataRow("distilroberta-base", 81_527_808L, 592_130L)]
    [DataRow("roberta-base", 124_055_040L, 592_130L)]
    [DataRow("roberta-large", 354_310_144L, 1_051_650L)]
    public void ModelHasThePublishedNamesAndShapes(string name, long encoder, long head)
    {
        var config = Published[name];
        var approved = Approved(config).ToDictionary(t => t.Name, t => t.Shape);
        CollectionAssert.AreEquivalent(approved.Select(Line).ToArray(), EncoderTensors.Expected(config).Select(t => Line(new(t.Name, t.Shape))).ToArray());

        // On the meta device tensors have shapes and no memory.
        using var scope = NewDisposeScope();
        var meta = new Device(TorchSharp.DeviceType.META);
        using var weights = new BaseWeights(config, new(name, ""), approved.ToDictionary(t => t.Key, t => empty(t.Value, device: meta)));
        using var model = new RobertaClassifier(weights, 2, ClassificationHead.Layout(config, 2).ToDictionary(t => t.Name, t => empty(t.Shape, device: meta)));

        CollectionAssert.AreEquivalent(approved.Select(Line).ToArray(), model.BaseParameters.Select(p => Line(new(p.Name, p.Shape))).ToArray());
        Assert.AreEqual(encoder, model.BaseParameters.Sum(p => p.Count));
        Assert.AreEqual(head, model.HeadParameters.Sum(p => p.Count));
        Assert.IsTrue(model.BaseParameters.All(p => !p.Trained) && model.HeadParameters.All(p => p.Trained));
        Assert.AreEqual(6 * config.Layers, model.Linears.Count);
    }

    private static string Line(KeyValuePair<string, long[]> tensor) => $"{tensor.Key} [{string.Join(", ", tensor.Value)}]";

    private static RobertaConfig Shape(int layers, int hidden, int heads) => new()
    {
        VocabularySize = 50265,
        HiddenSize = hidden,
        Layers = layers,
        Heads = heads,
        IntermediateSize = 4 * hidden,
        MaxPositions = 514,
    };

    // Written out once, as `safetensors` lists the published files; h is the hidden size.
    private const string Embeddings = """
        roberta.embeddings.word_embeddings.weight 50265 h
        roberta.embeddings.position_embeddings.weight 514 h
        roberta.embeddings.token_type_embeddings.weight 1 h
        roberta.embeddings.LayerNorm.weight h
        roberta.embeddings.LayerNorm.bias h
        """;

    private const string Layer = """
        attention.self.query.weight h h
        attention.self.query.bias h
        attention.self.key.weight h h
        attention.self.key.bias h
        attention.self.value.weight h h
        attention.self.value.bias h
        attention.output.dense.weight h h
        attention.output.dense.bias h
        attention.output.LayerNorm.weight h
        attention.output.LayerNorm.bias h
        intermediate.dense.weight 4h h
        intermediate.dense.bias 4h
        output.dense.weight h 4h
        output.dense.bias h
        output.LayerNorm.weight h
        output.LayerNorm.bias h
        """;

    private static IEnumerable<(string Name, long[] Shape)> Approved(RobertaConfig config) =>
        Lines(Embeddings, "", config).Concat(Enumerable.Range(0, config.Layers).SelectMany(i => Lines(Layer, $"roberta.encoder.layer.{i}.", config)));

    private static IEnumerable<(string Name, long[] Shape)> Lines(string text, string prefix, RobertaConfig config) =>
        from line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        let words = line.Trim().Split(' ')
        select (prefix + words[0], words[1..].Select(w => w switch { "h" => config.HiddenSize, "4h" => 4L * config.HiddenSize, _ => long.Parse(w, System.Globalization.CultureInfo.InvariantCulture) }).ToArray());
}
