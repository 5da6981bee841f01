using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
public sealed class RobertaPredictorTests
{
    private static readonly RobertaConfig Config = RandomModel.Config;

    [TestMethod]
    public void ScoresAreThoseOfTheTrainingModel()
    {
        var weights = RandomModel.Weights(Config);
        using var classifier = RandomModel.Classifier(Config, weights);
        using var predictor = new RobertaPredictor(Config, weights);
        Assert.AreEqual(RandomModel.Outputs, predictor.Outputs);
        var texts = RandomModel.Texts(150, Config);
        Near(Reference(classifier, texts), predictor.Predict(texts), 1e-5);
    }

    [TestMethod]
    public void BottlenecksArePartOfTheModel()
    {
        var weights = RandomModel.Weights(Config);
        using var classifier = RandomModel.Classifier(Config, weights);
        var bottlenecks = RandomModel.Bottlenecks(Config, 5);
        for (int i = 0; i < Config.Layers; i++)
            foreach (var place in Enum.GetValues<BottleneckPlace>())
                classifier.Layers[i].Bottlenecks[place] = Adapter(BottleneckAdapter.NameOf(i, place));
        using var plain = new RobertaPredictor(Config, RandomModel.Weights(Config));
        using var predictor = new RobertaPredictor(Config, weights.Concat(bottlenecks).ToDictionary());
        var texts = RandomModel.Texts(20, Config);
        var scores = predictor.Predict(texts);
        Near(Reference(classifier, texts), scores, 1e-5);
        Assert.IsTrue(Difference(plain.Predict(texts), scores) > 0.01, "The bottlenecks changed nothing.");

        BottleneckAdapter Adapter(string name) =>
            new(name, bottlenecks.Where(b => b.Key.StartsWith($"{name}.", StringComparison.Ordinal)).ToDictionary(b => b.Key, b => b.Value.clone()), Config.LayerNormEps);
    }

    [TestMethod]
    public void RowsComeBackInOrderWhateverTheBatches()
    {
        using var single = Predictor();
        var texts = RandomModel.Texts(101, Config);
        var alone = texts.Select(text => single.Predict([text])[0]).ToArray();
        Assert.IsTrue(Difference(alone, [.. alone.Skip(1), alone[0]]) > 0.1, "The rows are too alike to tell their order.");
        foreach (var options in (PredictorOptions[])[new(), new() { MaxTokensPerBatch = 1 }, new() { MaxTokensPerBatch = 100 }, new() { MaxTokensPerBatch = 1 << 20 }])
        {
            using var predictor = Predictor(options: options);
            Near(alone, predictor.Predict(texts), 1e-5);
        }
    }

    [TestMethod]
    public void PaddingChangesNoScore()
    {
        using var predictor = Predictor();
        var texts = RandomModel.Texts(30, Config).OrderBy(t => t.Length).ToArray();
        var longest = new EncodedText([0, .. Enumerable.Repeat(5, Config.MaxLength - 2), 2]);
        foreach (var text in texts)
        {
            var alone = predictor.Predict([text]);
            var padded = predictor.Predict([text, longest]);
            Near(alone, padded[..1], 1e-5);
        }
    }

    [TestMethod]
    public void TheSameCallGivesTheSameBits()
    {
        using var first = Predictor();
        using var second = Predictor();
        var texts = RandomModel.Texts(60, Config);
        var expected = first.Predict(texts);
        foreach (var actual in (float[][][])[first.Predict(texts), second.Predict(texts)])
            CollectionAssert.AreEqual(expected.SelectMany(r => r).ToArray(), actual.SelectMany(r => r).ToArray());
    }

    [TestMethod]
    public void EightThreadsGetTheSameAnswers()
    {
        using var predictor = Predictor();
        var sets = Enumerable.Range(0, 8).Select(i => RandomModel.Texts(10 + i, Config, i)).ToArray();
        var expected = sets.Select(texts => predictor.Predict(texts)).ToArray();
        OnThreads(8, thread =>
        {
            for (int i = 0; i < 25; i++)
                Near(expected[(thread + i) % 8], predictor.Predict(sets[(thread + i) % 8]), 1e-5);
        });
    }

    [TestMethod]
    [DoNotParallelize]
    public void DisposingUnderLoadLetsCallsFinishAndRefusesLaterOnes()
    {
        long before = LiveTensors.Count();
        var texts = RandomModel.Texts(10, Config);
        for (int round = 0; round < 5; round++)
        {
            var predictor = Predictor();
            var expected = predictor.Predict(texts);
            int answered = 0, refused = 0;
            using var underWay = new CountdownEvent(8);
            var threads = OwnThread.Run(() => OnThreads(8, _ =>
            {
                for (bool first = true; ; first = false)
                {
                    try
                    {
                        Near(expected, predictor.Predict(texts), 1e-5);
                        Interlocked.Increment(ref answered);
                    }
                    catch (ObjectDisposedException)
                    {
                        Interlocked.Increment(ref refused);
                        return;
                    }
                    if (first)
                        underWay.Signal();
                }
            }));
            Assert.IsTrue(underWay.Wait(TimeSpan.FromMinutes(2)), "no call was answered");
            predictor.Dispose();
            predictor.Dispose();
            threads.Wait();
            Assert.AreEqual(8, refused);
            Assert.IsTrue(answered >= 8);
            Assert.ThrowsExactly<ObjectDisposedException>(() => predictor.Predict(texts));
        }
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    [DoNotParallelize]
    public void PredictionsLeaveNoTensorBehind()
    {
        using var predictor = Predictor();
        var texts = RandomModel.Texts(5, Config);
        predictor.Predict(texts);
        long before = LiveTensors.Count();
        for (int i = 0; i < 200; i++)
            predictor.Predict(texts);
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    [DoNotParallelize]
    [TestCategory("Long")]
    public void FiftyThousandPredictionsKeepTheProcessSmall()
    {
        using var predictor = Predictor();
        var texts = RandomModel.Texts(1000, Config);
        Run(5_000);
        var (tensors, managed, process) = (LiveTensors.Count(), GC.GetTotalMemory(true), NativeHeap.Held());
        Run(50_000);
        LiveTensors.AssertNoMoreThan(tensors);
        long managedGrowth = GC.GetTotalMemory(true) - managed, growth = NativeHeap.Held() - process;
        Console.WriteLine($"{process >> 20} MB before; {growth >> 10} kB more after 50,000 predictions, {managedGrowth >> 10} kB of it managed");
        Assert.IsTrue(managedGrowth < 1 << 20, $"The managed heap grew by {managedGrowth >> 10} kB.");
        // The native allocator's pools settle late, with batches of many shapes; leaked activations would be gigabytes.
        Assert.IsTrue(growth < 128 << 20, $"The process grew by {growth >> 20} MB.");

        void Run(int rows)
        {
            // Alone, as a PredictionEngine asks, and by the batch.
            for (int i = 0; i < rows / 10; i++)
                predictor.Predict([texts[i % texts.Length]]);
            for (int i = rows / 10; i < rows; i += 100)
                predictor.Predict(texts[(i % 1000)..(i % 1000 + 100)]);
        }
    }

    [TestMethod]
    public void Bf16IsNearFp32()
    {
        using var exact = Predictor();
        using var rounded = new RobertaPredictor(Config, RandomModel.Weights(Config, type: ScalarType.BFloat16));
        var texts = RandomModel.Texts(40, Config);
        double difference = Difference(exact.Predict(texts), rounded.Predict(texts));
        Assert.IsTrue(difference is > 1e-4 and < 0.3, $"{difference}");
    }

    [TestMethod]
    [DoNotParallelize]
    public void WeightsThatDoNotFitAreNamedAndFreed()
    {
        long before = LiveTensors.Count();
        Refused(w => Remove(w, "roberta.encoder.layer.1.output.dense.bias"), "lack", "roberta.encoder.layer.1.output.dense.bias");
        Refused(w => Remove(w, "roberta.embeddings.word_embeddings.weight"), "lack", "word_embeddings");
        Refused(w => Remove(w, "classifier.out_proj.weight"), "lack", "classifier.out_proj.weight");
        Refused(w => w["roberta.encoder.layer.0.attention.self.query.lora_A"] = ones(2), "lora_A", "no use");
        Refused(w =>
        {
            Remove(w, "classifier.dense.weight");
            w["classifier.dense.weight"] = ones(32, 31);
        }, "classifier.dense.weight", "[32, 31]", "[32, 32]");
        LiveTensors.AssertNoMoreThan(before);

        static void Remove(Dictionary<string, Tensor> weights, string name)
        {
            weights[name].Dispose();
            weights.Remove(name);
        }

        static void Refused(Action<Dictionary<string, Tensor>> change, params string[] parts)
        {
            var weights = RandomModel.Weights(Config);
            change(weights);
            var error = Assert.ThrowsExactly<ArgumentException>(() => new RobertaPredictor(Config, weights));
            foreach (var part in parts)
                StringAssert.Contains(error.Message, part);
        }
    }

    [TestMethod]
    public void EdgesOfACall()
    {
        using var predictor = Predictor();
        Assert.AreEqual(0, predictor.Predict([]).Length);
        var tooLong = new EncodedText([.. Enumerable.Repeat(5, Config.MaxLength + 1)]);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => predictor.Predict([new([0, 2]), tooLong])).Message, "Row 2 has 65 tokens");
        Assert.ThrowsExactly<OperationCanceledException>(() => predictor.Predict([new([0, 2])], new CancellationToken(true)));
    }

    private static RobertaPredictor Predictor(RobertaConfig? config = null, PredictorOptions? options = null) =>
        new(config ?? Config, RandomModel.Weights(config ?? Config), options);

    private static float[][] Reference(RobertaClassifier classifier, EncodedText[] texts)
    {
        using var noGrad = no_grad();
        return [.. texts.Select((_, row) =>
        {
            using var scope = NewDisposeScope();
            int[] rows = [row, (row + 1) % texts.Length];
            var logits = classifier.forward(BatchBuilder.Build(texts, rows, Config.PadTokenId, CPU), ForwardContext.Inference);
            return logits.data<float>().ToArray()[..RandomModel.Outputs];
        })];
    }

    private static double Difference(float[][] expected, float[][] actual) =>
        expected.Zip(actual).SelectMany(rows => rows.First.Zip(rows.Second)).Max(v => Math.Abs(v.First - v.Second));

    private static void Near(float[][] expected, float[][] actual, double tolerance)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        double difference = Difference(expected, actual);
        Assert.IsTrue(difference <= tolerance, $"The scores differ by {difference}.");
    }

    private static void OnThreads(int count, Action<int> action)
    {
        var failures = new System.Collections.Concurrent.ConcurrentBag<Exception>();
        var threads = Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            try
            {
                action(i);
            }
            catch (Exception e)
            {
                failures.Add(e);
            }
        })).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        if (!failures.IsEmpty)
            throw new AggregateException(failures);
    }
}
