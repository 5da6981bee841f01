using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Onnx;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>Graphs of random weights in ONNX Runtime, against the model that scores with tensors.</summary>
[TestClass]
public sealed class OnnxScorerTests
{
    private static readonly RobertaConfig Config = RandomModel.Config with { HiddenSize = 128, IntermediateSize = 192, Heads = 2, MaxPositions = 302 };

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ScoresAreThoseOfTensorsWhateverTheBatches(bool withBottlenecks)
    {
        var texts = RandomModel.Texts(60, Config);
        using var tensors = new RobertaPredictor(Config, Weights(withBottlenecks));
        var expected = tensors.Predict(texts);
        foreach (int? tokens in new int?[] { null, 1, 1 << 20 })
        {
            using var predictor = Predictor(false, withBottlenecks, new() { MaxTokensPerBatch = tokens, CpuThreads = 2 });
            Assert.AreEqual(RandomModel.Outputs, predictor.Outputs);
            Assert.AreEqual(0, Difference(expected, predictor.Predict(texts)), 2e-5, $"{tokens} tokens");
            Assert.AreEqual(0, Difference(expected, [.. texts.Select(t => predictor.PredictOne(t))]), 2e-5);
        }
    }

    [TestMethod]
    [DataRow(0.1)]
    [DataRow(0.1, nameof(BottleneckPlace.Attention))]
    [DataRow(0.1, nameof(BottleneckPlace.Output))]
    [DataRow(0.1, nameof(BottleneckPlace.Attention), nameof(BottleneckPlace.Output))]
    [DataRow(0.1, nameof(BottleneckPlace.Layer))]
    [DataRow(0.17, nameof(BottleneckPlace.Attention), nameof(BottleneckPlace.Output), nameof(BottleneckPlace.Layer))]
    public void EightBitsAreNear(double share, params string[] places)
    {
        var texts = RandomModel.Texts(40, Config);
        using var exact = new RobertaPredictor(Config, Weights(places));
        using var rounded = Predictor(true, Weights(places));
        var (expected, actual) = (exact.Predict(texts), rounded.Predict(texts));
        double spread = expected.SelectMany(row => row).Max() - expected.SelectMany(row => row).Min();
        // The third place alone rounds no coarser (0.05 of the spread): but all three are twice a layer's products, and what the third adds
        // meets no norm before the next layer rounds it (0.144).
        double bound = share * spread;
        Assert.IsTrue(Difference(expected, actual) is > 1e-4 and var difference && difference < bound, $"{Difference(expected, actual)} of {spread}");
    }

    [TestMethod]
    public void EdgesOfACall()
    {
        using var predictor = Predictor(false);
        Assert.AreEqual(0, predictor.Predict([]).Length);
        Assert.IsFalse(predictor.IsAsynchronous);
        Assert.ThrowsExactly<OperationCanceledException>(() => predictor.Predict([new([0, 2])], new CancellationToken(true)));
        Assert.ThrowsExactly<ArgumentException>(() => predictor.Predict([new([])]));
        Assert.AreEqual(2, predictor.Predict([new([0, 2]), new([0, 5, 2])]).Length);
        Assert.ThrowsExactly<NotSupportedException>(() => predictor.With(_ => 0));
        predictor.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => predictor.Predict([new([0, 2])]));
    }

    [TestMethod]
    public void WhatIsNoModelIsRefused()
    {
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Scorer([1, 2, 3])).Message, "ONNX Runtime");
        var other = new OnnxGraph("other");
        other.Inputs.Add(new("x", OnnxType.Float, "batch"));
        other.AddAs("y", "Tanh", ["x"]);
        other.Outputs.Add(new("y", OnnxType.Float, "batch"));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Scorer(Bytes(other))).Message, "input_ids");
    }

    private static RobertaPredictor Predictor(bool int8, bool withBottlenecks = false, PredictorOptions? options = null) => Predictor(int8, Weights(withBottlenecks), options);

    private static RobertaPredictor Predictor(bool int8, Dictionary<string, Tensor> weights, PredictorOptions? options = null)
    {
        try
        {
            var model = Bytes(RobertaGraph.Build(Config, weights, OnnxScore.Of(new MulticlassTask(RandomModel.Outputs)), int8));
            return new(Config, Scorer(model, int8, options), (options ?? new()).Batching);
        }
        finally
        {
            foreach (var weight in weights.Values)
                weight.Dispose();
        }
    }

    private static OnnxScorer Scorer(byte[] model, bool int8 = false, PredictorOptions? options = null) =>
        new(model, Config.PadTokenId, new() { Int8 = int8 }, options ?? new());

    private static byte[] Bytes(OnnxGraph graph)
    {
        using var stream = new MemoryStream();
        OnnxModelFile.Writer(graph, "1", [])(stream);
        return stream.ToArray();
    }

    private static Dictionary<string, Tensor> Weights(bool withBottlenecks) =>
        withBottlenecks ? RandomModel.Weights(Config).Concat(RandomModel.Bottlenecks(Config, 5)).ToDictionary() : RandomModel.Weights(Config);

    private static Dictionary<string, Tensor> Weights(string[] places)
    {
        var weights = Weights(withBottlenecks: true);
        var others = Enum.GetValues<BottleneckPlace>().ExceptBy(places, p => p.ToString()).SelectMany(p => Enumerable.Range(0, Config.Layers).Select(i => $"{BottleneckAdapter.NameOf(i, p)}.")).ToArray();
        foreach (var name in weights.Keys.Where(n => others.Any(o => n.StartsWith(o, StringComparison.Ordinal))).ToArray())
        {
            weights[name].Dispose();
            weights.Remove(name);
        }
        return weights;
    }

    private static double Difference(float[][] expected, float[][] actual) =>
        expected.Zip(actual, (e, a) => e.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max();
}
