using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Onnx;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Inference;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>Graphs of random weights, computed by the operators' definitions, against the model that scores.</summary>
[TestClass]
public sealed class RobertaGraphTests
{
    private static readonly RobertaConfig Config = RandomModel.Config;

    private static readonly OnnxScore Softmax = OnnxScore.Of(new MulticlassTask(RandomModel.Outputs));

    [TestMethod]
    [DataRow(1, 0)]
    [DataRow(8, 0)]
    [DataRow(8, 5)]
    public void TheGraphComputesWhatTheModelDoes(int batch, int bottleneck)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var weights = Weights(bottleneck);
        var graph = Written(folder, Config, weights, Softmax);
        using var predictor = new RobertaPredictor(Config, Copy(weights));
        var texts = RandomModel.Texts(24, Config, seed: batch);
        Assert.IsTrue(texts.Select(t => t.Length).Distinct().Count() > 8, "The rows are too alike.");
        foreach (var rows in texts.Chunk(batch))
        {
            var outputs = Run(graph, rows);
            Near(predictor.Predict(rows), outputs["logits"]);
            Near([.. outputs["logits"].Select(new MulticlassTask(RandomModel.Outputs).Scores)], outputs["probabilities"]);
        }
    }

    [TestMethod]
    public void AnotherShapeOfModel()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var config = new RobertaConfig
        {
            VocabularySize = 50,
            HiddenSize = 24,
            Layers = 1,
            Heads = 2,
            IntermediateSize = 40,
            MaxPositions = 24,
            TypeVocabularySize = 2,
            LayerNormEps = 1e-3,
            PadTokenId = 3,
        };
        var weights = RandomModel.Weights(config).ToDictionary(w => w.Key, w => Scoped(w.Value));
        var graph = Written(folder, config, weights, Softmax);
        using var predictor = new RobertaPredictor(config, Copy(weights));
        var texts = RandomModel.Texts(8, config).Select(t => new EncodedText([.. t.Ids.Select(id => id == 3 ? 4 : id)])).ToArray();
        Near(predictor.Predict(texts), Run(graph, texts, padding: 3)["logits"]);
    }

    [TestMethod]
    public void WhatIsMaskedChangesNothing()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var graph = Written(folder, Config, Weights(), Softmax);
        var alone = Run(graph, [new([0, 17, 33, 4, 2])])["logits"][0];
        long[] rows =
        [
            0, 17, 33, 4, 2, 1, 1,
            0, 17, 33, 4, 2, 50, 60,
            1, 1, 1, 1, 1, 1, 1,
        ];
        long[] mask = [.. Enumerable.Range(0, rows.Length).Select(i => i < 14 && i % 7 < 5 ? 1L : 0L)];
        using var interpreter = new OnnxInterpreter(graph);
        var outputs = interpreter.Run(rows, mask, 3)["logits"];
        Near([alone, alone], outputs[..2]);
        Assert.IsTrue(outputs[2].All(float.IsFinite), "A row that fills up a batch has no NaN.");

        var unmasked = interpreter.Run(rows, [.. rows.Select(_ => 1L)], 3)["logits"];
        Assert.IsTrue(Difference([alone], unmasked[..1]) > 1e-3, "The mask changed nothing.");
    }

    [TestMethod]
    public void TheScoreIsTheTasks()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        foreach (var (task, name) in ((TextTask, string)[])[(new BinaryTask(), "probability"), (new RegressionTask(), "score")])
        {
            var weights = Weights();
            weights["classifier.out_proj.weight"] = weights["classifier.out_proj.weight"].narrow(0, 0, 1);
            weights["classifier.out_proj.bias"] = weights["classifier.out_proj.bias"].narrow(0, 0, 1);
            var graph = Written(folder, Config, weights, OnnxScore.Of(task));
            CollectionAssert.AreEqual(new[] { "logits", name }, graph.Outputs.Select(o => o.Name).ToArray());
            var outputs = Run(graph, RandomModel.Texts(8, Config));
            Near([.. outputs["logits"].Select(task.Scores)], outputs[name]);
        }
    }

    [TestMethod]
    public void TheFileIsWellFormed()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var weights = Weights(bottleneck: 5);
        var graph = Written(folder, Config, weights, Softmax);
        Assert.AreEqual(7, graph.IrVersion);
        CollectionAssert.AreEqual(new[] { ("", 14L) }, graph.Opsets.ToArray());
        Assert.AreEqual(("Microsoft.ML.LoraInit", "9.8"), (graph.Producer, graph.ProducerVersion));
        Assert.AreEqual("naïve → ok", graph.Metadata["note"]);
        CollectionAssert.AreEqual(new[] { "input_ids 7 batch,length", "attention_mask 7 batch,length" }, Describe(graph.Inputs));
        CollectionAssert.AreEqual(new[] { "logits 1 batch,3", "probabilities 1 batch,3" }, Describe(graph.Outputs));

        foreach (var constant in graph.Constants.Values)
            Assert.AreEqual(constant.Shape.Aggregate(1L, (n, d) => n * d) * (constant.Type == OnnxFile.Float ? 4 : 8), constant.Data.Length, constant.Name);
        var known = graph.Inputs.Select(i => i.Name).Concat(graph.Constants.Keys).ToHashSet();
        foreach (var node in graph.Nodes)
        {
            Assert.IsTrue(node.Inputs.All(known.Contains), $"{node.Name} comes before what it needs.");
            Assert.IsTrue(known.Add(node.Outputs.Single()), $"Two values are called {node.Name}.");
        }
        var used = graph.Nodes.SelectMany(n => n.Inputs).Concat(graph.Outputs.Select(o => o.Name)).ToHashSet();
        Assert.AreEqual("", string.Join(' ', known.Except(used)), "Values that nothing reads");

        foreach (var (name, weight) in weights)
        {
            bool transposed = !graph.Constants.ContainsKey(name);
            var stored = graph.Constants[transposed ? $"{name}_transposed" : name].Values<float>();
            CollectionAssert.AreEqual((transposed ? weight.t().contiguous() : weight).data<float>().ToArray(), stored, name);
        }
    }

    [TestMethod]
    [DoNotParallelize]
    public void EqualModelsGiveEqualBytesAndLeaveNoTensor()
    {
        using var folder = new TemporaryFolder();
        long before = LiveTensors.Count();
        using (NewDisposeScope())
        {
            Written(folder, Config, Weights(), Softmax, "a.onnx");
            Written(folder, Config, Weights(), Softmax, "b.onnx");
        }
        CollectionAssert.AreEqual(File.ReadAllBytes(folder.File("a.onnx")), File.ReadAllBytes(folder.File("b.onnx")));
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    public void WeightsThatDoNotFitAreNamed()
    {
        using var scope = NewDisposeScope();
        var weights = Weights();
        weights["roberta.encoder.layer.0.attention.self.query.lora_A"] = ones(2);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => RobertaGraph.Build(Config, weights, Softmax)).Message, "query.lora_A");
        weights = Weights();
        weights.Remove("roberta.encoder.layer.2.output.dense.bias");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => RobertaGraph.Build(Config, weights, Softmax)).Message, "layer.2.output.dense.bias");
    }

    [TestMethod]
    public void MoreThanTheFormatHoldsIsRefusedBeforeWriting()
    {
        using var folder = new TemporaryFolder();
        var graph = new OnnxGraph("large");
        // Two of them pass what one file may have; neither is ever in memory.
        foreach (var name in new[] { "a", "b" })
            graph.Constant(new(name, OnnxType.Float, [30_000, 10_000], _ => Assert.Fail("Nothing is to be written.")));
        var error = Assert.ThrowsExactly<NotSupportedException>(() => OnnxModelFile.Write(folder.File("m.onnx"), graph, "1", []));
        StringAssert.Contains(error.Message, "2.40 GB");
        StringAssert.Contains(error.Message, "SaveMergedModel");
        Assert.AreEqual(0, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(5)]
    public void ProductsWithWeightsAreInEightBits(int bottleneck)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var weights = Weights(bottleneck);
        OnnxModelFile.Write(folder.File("m.onnx"), RobertaGraph.Build(Config, weights, Softmax, int8: true), "1", []);
        var graph = OnnxFile.Read(folder.File("m.onnx"));

        int products = (6 + (bottleneck > 0 ? 6 : 0)) * Config.Layers; // two a bottleneck, at three places
        Assert.AreEqual(products, graph.Nodes.Count(n => n.Operation == "MatMulInteger"));
        Assert.AreEqual((2 * Config.Layers) + 2, graph.Nodes.Count(n => n.Operation == "MatMul"), "attention and the head stay");
        Assert.AreEqual(products - (2 * Config.Layers) + 1, graph.Nodes.Count(n => n.Operation == "DynamicQuantizeLinear"), "query, key and value share one but in the last block");
        var quantized = graph.Constants["roberta.encoder.layer.1.intermediate.dense.weight_quantized"];
        Assert.AreEqual(OnnxFile.Int8, quantized.Type);
        CollectionAssert.AreEqual(new long[] { Config.HiddenSize, Config.IntermediateSize }, quantized.Shape);
        var weight = weights["roberta.encoder.layer.1.intermediate.dense.weight"];
        var scales = graph.Constants["roberta.encoder.layer.1.intermediate.dense.weight_scale"].Values<float>();
        var restored = tensor(quantized.Values<sbyte>(), ScalarType.Float32).reshape(quantized.Shape).t() * tensor(scales).unsqueeze(1);
        Assert.IsTrue(((restored - weight).abs() <= (tensor(scales).unsqueeze(1) * 0.5001)).all().item<bool>(), "half a step at most");
        Assert.IsTrue(quantized.Values<sbyte>().Max(q => Math.Abs((int)q)) == 127);
    }

    [TestMethod]
    public void AFailureWhileWritingLeavesTheOldFile()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("m.onnx"), "old");
        var graph = new OnnxGraph("failing");
        graph.Constant(new("a", OnnxType.Float, [2], _ => throw new IOException("No space left.")));
        var error = Assert.ThrowsExactly<IOException>(() => OnnxModelFile.Write(folder.File("m.onnx"), graph, "1", []));
        StringAssert.Contains(error.Message, "m.onnx");
        Assert.AreEqual("old", File.ReadAllText(Directory.GetFiles(folder.Path).Single()));
    }

    /// <summary>Random weights that belong to the dispose scope.</summary>
    private static Dictionary<string, Tensor> Weights(int bottleneck = 0)
    {
        IEnumerable<KeyValuePair<string, Tensor>> weights = RandomModel.Weights(Config);
        if (bottleneck > 0)
            weights = weights.Concat(RandomModel.Bottlenecks(Config, bottleneck));
        return weights.ToDictionary(w => w.Key, w => Scoped(w.Value));
    }

    private static Tensor Scoped(Tensor detached)
    {
        using (detached)
            return detached.alias();
    }

    private static Dictionary<string, Tensor> Copy(Dictionary<string, Tensor> weights) => weights.ToDictionary(w => w.Key, w => w.Value.clone());

    private static OnnxFile Written(TemporaryFolder folder, RobertaConfig config, Dictionary<string, Tensor> weights, OnnxScore score, string name = "model.onnx")
    {
        OnnxModelFile.Write(folder.File(name), RobertaGraph.Build(config, weights, score), "9.8", [new("note", "naïve → ok")]);
        return OnnxFile.Read(folder.File(name));
    }

    private static Dictionary<string, float[][]> Run(OnnxFile graph, EncodedText[] rows, int padding = 1)
    {
        int length = rows.Max(r => r.Length);
        long[] ids = [.. rows.SelectMany(r => Enumerable.Range(0, length).Select(i => i < r.Length ? r.Ids[i] : (long)padding))];
        long[] mask = [.. rows.SelectMany(r => Enumerable.Range(0, length).Select(i => i < r.Length ? 1L : 0L))];
        using var interpreter = new OnnxInterpreter(graph);
        return interpreter.Run(ids, mask, rows.Length);
    }

    private static string[] Describe(IEnumerable<OnnxFile.Value> values) => [.. values.Select(v => $"{v.Name} {v.Type} {string.Join(',', v.Shape)}")];

    private static double Difference(float[][] expected, float[][] actual) =>
        expected.Zip(actual).SelectMany(rows => rows.First.Zip(rows.Second)).Max(v => Math.Abs(v.First - v.Second));

    private static void Near(float[][] expected, float[][] actual)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        Assert.AreEqual(expected[0].Length, actual[0].Length);
        var difference = Difference(expected, actual);
        Assert.IsTrue(difference <= 2e-5, $"The outputs differ by {difference}.");
    }
}
