using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference.Cpu;

[TestClass]
public sealed class CpuScorerTests
{
    // Sizes that are no multiples of the vectors, and a head that is.
    private static readonly RobertaConfig Odd = RandomModel.Config with { HiddenSize = 36, IntermediateSize = 50, Heads = 3 };
    private static readonly RobertaConfig Even = RandomModel.Config with { HiddenSize = 128, IntermediateSize = 192, Heads = 2, MaxPositions = 302 };

    private static IEnumerable<object[]> Shapes => [[RandomModel.Config], [Odd], [Even]];

    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void ScoresAreThoseOfTensors(object shape)
    {
        var config = (RobertaConfig)shape;
        using var tensors = new RobertaPredictor(config, WithBottlenecks(config));
        using var host = Predictor(WithBottlenecks(config), config);
        Assert.AreEqual(tensors.Outputs, host.Outputs);
        var texts = RandomModel.Texts(150, config);
        Assert.AreEqual(0, Difference(tensors.Predict(texts), host.Predict(texts)), 2e-5);
    }

    [TestMethod]
    public void ScoresDependOnNeitherCompanyNorThreads()
    {
        var texts = RandomModel.Texts(60, Even);
        using var reference = Predictor(RandomModel.Weights(Even), Even, new() { CpuThreads = 1 });
        var expected = texts.SelectMany(text => reference.Predict([text])[0]).ToArray();
        Assert.IsTrue(expected.Distinct().Count() > 100, "The rows are too alike to tell their order.");
        foreach (int threads in new[] { 1, 2, 7 })
            foreach (int tokens in new[] { 1, 300, 1 << 20 })
            {
                using var predictor = Predictor(RandomModel.Weights(Even), Even, new() { CpuThreads = threads, MaxTokensPerBatch = tokens });
                CollectionAssert.AreEqual(expected, predictor.Predict(texts).SelectMany(row => row).ToArray(), $"{threads} threads, {tokens} tokens");
                CollectionAssert.AreEqual(expected, texts.SelectMany(text => predictor.PredictOne(text)).ToArray());
            }
    }

    [TestMethod]
    [DoNotParallelize]
    public void OthersComputeWithTheWeightsThatScore()
    {
        using var predictor = Predictor(WithBottlenecks(Odd), Odd);
        var texts = RandomModel.Texts(6, Odd);
        var scores = predictor.Predict(texts);
        long before = LiveTensors.Count();
        foreach (var (text, expected) in texts.Zip(scores))
        {
            var logits = predictor.With(model =>
            {
                using var scope = NewDisposeScope();
                return model.forward(BatchBuilder.Build([text], [0], Odd.PadTokenId, CPU)).data<float>().ToArray();
            });
            Assert.AreEqual(0, Difference([expected], [logits]), 1e-5);
        }
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    [DoNotParallelize]
    public void WeightsThatDoNotFitAreNamedAndFreed()
    {
        long before = LiveTensors.Count();
        Refused("lack", "encoder.layer.1.output.dense.bias", w => Take(w, "roberta.encoder.layer.1.output.dense.bias"));
        Refused("lack", "classifier.out_proj.weight", w => Take(w, "classifier.out_proj.weight"));
        Refused("no use", "lora_A", w => w["roberta.encoder.layer.0.attention.self.query.lora_A"] = ones(2));
        Refused("[32, 31]", "classifier.dense.weight", w =>
        {
            Take(w, "classifier.dense.weight");
            w["classifier.dense.weight"] = ones(32, 31);
        });
        LiveTensors.AssertNoMoreThan(before);

        static void Take(Dictionary<string, Tensor> weights, string name)
        {
            weights[name].Dispose();
            weights.Remove(name);
        }

        static void Refused(string what, string name, Action<Dictionary<string, Tensor>> change)
        {
            var weights = RandomModel.Weights(RandomModel.Config);
            change(weights);
            var error = Assert.ThrowsExactly<ArgumentException>(() => Predictor(weights, RandomModel.Config));
            StringAssert.Contains(error.Message, what);
            StringAssert.Contains(error.Message, name);
        }
    }

    [TestMethod]
    [DoNotParallelize]
    public void NoTensorIsLeft()
    {
        long before = LiveTensors.Count();
        using var predictor = Predictor(RandomModel.Weights(Odd), Odd);
        LiveTensors.AssertNoMoreThan(before);
        predictor.Predict(RandomModel.Texts(30, Odd));
        LiveTensors.AssertNoMoreThan(before);
        predictor.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => predictor.Predict(RandomModel.Texts(1, Odd)));
    }

    [TestMethod]
    public void EdgesOfACall()
    {
        using var predictor = Predictor(RandomModel.Weights(Odd), Odd);
        Assert.AreEqual(0, predictor.Predict([]).Length);
        Assert.ThrowsExactly<OperationCanceledException>(() => predictor.Predict([new([0, 2])], new CancellationToken(true)));
        // No memory is read that is not the table's.
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => predictor.Predict([new([0, Odd.VocabularySize, 2])]));
        Assert.AreEqual(2, predictor.Predict([new([0, 2]), new([0, 5, 2])]).Length);
    }

    private static RobertaPredictor Predictor(Dictionary<string, Tensor> weights, RobertaConfig config, PredictorOptions? options = null) =>
        new(config, weights, (options ?? new()) with { ScoresOnHost = true });

    private static Dictionary<string, Tensor> WithBottlenecks(RobertaConfig config) =>
        RandomModel.Weights(config).Concat(RandomModel.Bottlenecks(config, 5)).ToDictionary();

    private static double Difference(float[][] expected, float[][] actual) =>
        expected.Zip(actual, (e, a) => e.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max();
}
