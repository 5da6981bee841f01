using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
[DoNotParallelize]
public class PredictionEngineTests
{
    private static readonly PredictionEngineOptions Shared = new() { OwnsTransformer = false };

    [TestMethod]
    public void PredictsWhatTransformDoes()
    {
        var ml = Topics.Context();
        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(TrainedModels.Multiclass, Shared);
        var scored = ml.Data.CreateEnumerable<Topics.Prediction>(TrainedModels.Multiclass.Transform(Topics.View(ml)), reuseRowObject: false).ToArray();

        for (int i = 0; i < scored.Length; i++)
        {
            var prediction = engine.Predict(Topics.Rows[i]);
            Assert.AreEqual(scored[i].PredictedLabel, prediction.PredictedLabel);
            for (int c = 0; c < 3; c++)
                Assert.AreEqual(scored[i].Score[c], prediction.Score[c], 1e-5);
        }
    }

    [TestMethod]
    public void EightEnginesAtOnceAgreeWithOne()
    {
        var ml = Topics.Context();
        using var single = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(TrainedModels.Multiclass, Shared);
        var expected = Topics.Rows.Select(r => single.Predict(r)).ToArray();

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(TrainedModels.Multiclass, Shared);
            for (int k = 0; k < Topics.Rows.Count; k++)
            {
                int i = (k + (worker * 9)) % Topics.Rows.Count;
                var score = engine.Predict(Topics.Rows[i]).Score;
                for (int c = 0; c < 3; c++) // rows scored together differ in the last bits
                    Assert.AreEqual(expected[i].Score[c], score[c], 1e-6, $"worker {worker}, row {i}");
            }
        });
    }

    [TestMethod]
    public void ScoringOptionsTakeEffectWhileEnginesPredict()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Multiclass, null, stream);
        var model = ml.Model.Load(stream, out _);
        var step = TrainedModels.Step(model);
        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(model);
        var exact = engine.Predict(Topics.Rows[0]).Score;
        using var stop = new CancellationTokenSource();
        int predicted = 0;
        var load = OwnThread.Run(() =>
        {
            using var other = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(model, Shared);
            for (; !stop.IsCancellationRequested; Interlocked.Increment(ref predicted))
                Assert.AreEqual(1, other.Predict(Topics.Rows[predicted % Topics.Rows.Count]).Score.Sum(), 1e-4);
        });
        SpinWait.SpinUntil(() => load.IsCompleted || Volatile.Read(ref predicted) > 0, TimeSpan.FromMinutes(2));

        step.Scoring = new() { Precision = Precision.BFloat16 };
        engine.Predict(Topics.Rows[1]); // an engine asked for the same row twice scores it once
        var rounded = engine.Predict(Topics.Rows[0]).Score;
        InEightBits();
        step.Scoring = new() { MaxGatheredRows = 1, MaxConcurrentBatches = 2, MaxTokensPerBatch = 10 };
        engine.Predict(Topics.Rows[1]);
        var again = engine.Predict(Topics.Rows[0]).Score;
        SpinWait.SpinUntil(() => load.IsCompleted, 50);
        stop.Cancel();

        load.GetAwaiter().GetResult();
        Assert.IsTrue(predicted > 0);
        CollectionAssert.AreNotEqual(exact, rounded);
        CollectionAssert.AreEqual(exact, again, "fp32 is merged anew, not widened");
        Assert.AreEqual(1, step.Scoring.MaxGatheredRows);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { MaxGatheredRows = 0 }).Message, "MaxGatheredRows = 0");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { MaxWait = TimeSpan.FromSeconds(-1) }).Message, "MaxWait");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { CpuThreads = 0 }).Message, "CpuThreads");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { MaxConcurrentBatches = 0 }).Message, "MaxConcurrentBatches");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { MaxTokensPerBatch = 0 }).Message, "MaxTokensPerBatch");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { Precision = (Precision)9 }).Message, "Precision");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => step.Scoring = new() { Int8 = true, Precision = Precision.BFloat16 }).Message, "Int8");
        Assert.AreEqual(1, step.Scoring.MaxGatheredRows, "what is refused changes nothing");
        step.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => step.Scoring = new());

        void InEightBits()
        {
            step.Scoring = new() { Int8 = true };
            engine.Predict(Topics.Rows[1]);
            var int8 = engine.Predict(Topics.Rows[0]).Score;
            var explained = step.Explain(Topics.Rows[0].Text, options: new() { Steps = 8 }).Scores.Select(Math.Exp).ToArray();
            Assert.AreEqual(0, explained.Zip(int8, (a, b) => Math.Abs((a / explained.Sum()) - b)).Max(), 0.05, "tensors hold the same weights");
            CollectionAssert.AreNotEqual(exact, int8);
            Assert.AreEqual(0, exact.Zip(int8, (a, b) => Math.Abs(a - b)).Max(), 0.05);
        }
    }

    [TestMethod]
    public void AModelDisposedUnderManyEnginesLetsThemFinish()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Multiclass, null, stream);
        long before = LiveTensors.Count();
        var model = ml.Model.Load(stream, out _);
        int answered = 0, refused = 0;
        using var underWay = new CountdownEvent(6);
        var threads = Enumerable.Range(0, 6).Select(worker => new Thread(() =>
        {
            var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(model, Shared);
            for (int i = worker; ; i++)
            {
                try
                {
                    engine.Predict(Topics.Rows[i % Topics.Rows.Count]);
                    if (Interlocked.Increment(ref answered) > 0 && i == worker)
                        underWay.Signal();
                }
                catch (ObjectDisposedException)
                {
                    Interlocked.Increment(ref refused);
                    return;
                }
            }
        })).ToArray();
        foreach (var thread in threads)
            thread.Start();
        Assert.IsTrue(underWay.Wait(TimeSpan.FromMinutes(2)), "no row was answered");

        TrainedModels.Step(model).Dispose();

        foreach (var thread in threads)
            Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(2)));
        Assert.AreEqual(6, refused);
        Assert.IsTrue(answered >= 6);
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    public void ADisposedModelSaysSo()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Binary, null, stream);
        var model = ml.Model.Load(stream, out _);
        var step = TrainedModels.Step(model);
        var view = step.Transform(Topics.View(ml));

        step.Dispose();
        step.Dispose();

        Assert.ThrowsExactly<ObjectDisposedException>(() => view.GetColumn<float>("Score").ToArray());
        Assert.AreEqual(Topics.Rows.Count, view.GetColumn<string>("Text").Count(), "columns that need no model are still there");
    }

    [TestMethod]
    public void PredictionsAndDisposalLeaveNoTensorBehind()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Multiclass, null, stream);
        using (var engine = Engine())
            engine.Predict(Topics.Rows[0]);
        long before = LiveTensors.Count();

        using (var engine = Engine())
        {
            long loaded = Tensor.TotalCount;
            Assert.IsTrue(loaded > before, "a model holds tensors");
            for (int i = 0; i < 200; i++)
                engine.Predict(Topics.Rows[i % Topics.Rows.Count]);
            Assert.IsTrue(Tensor.TotalCount <= loaded, "predictions leave none, not even to the collector");
        }
        Assert.IsTrue(Tensor.TotalCount <= before, "nor does a disposed engine with its model");

        PredictionEngine<Topics.Row, Topics.Prediction> Engine()
        {
            stream.Position = 0;
            return ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(ml.Model.Load(stream, out _));
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void MemoryStaysFlatOverFiftyThousandPredictions()
    {
        var ml = Topics.Context();
        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(TrainedModels.Multiclass, Shared);
        var rows = Enumerable.Range(0, 25_000).Select(i => Topics.Rows[i % Topics.Rows.Count]);
        Predict(2_000);
        long before = NativeHeap.Held();

        Predict(25_000);
        Assert.AreEqual(25_000, TrainedModels.Multiclass.Transform(Topics.View(ml, rows)).GetColumn<float[]>("Score").Count());

        long growth = (NativeHeap.Held() - before) >> 20;
        Console.WriteLine($"Memory after 50,000 predictions: {growth:+0;-0} MB");
        Assert.IsTrue(growth < 64, $"The process grew by {growth} MB.");

        void Predict(int count)
        {
            for (int i = 0; i < count; i++)
                engine.Predict(Topics.Rows[i % Topics.Rows.Count]);
        }
    }

    [TestMethod]
    public void NullEmptyAndEndlessTextsAreScored()
    {
        var ml = Topics.Context();
        var texts = new[] { null!, "", " ", new string('z', 100_000), string.Join(' ', Enumerable.Repeat("storm", 20_000)), "\uD83D\uDE00\uD800" };
        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(TrainedModels.Multiclass, Shared);

        foreach (var text in texts)
            Assert.AreEqual(1.0, engine.Predict(new() { Text = text, Label = "food" }).Score.Sum(s => (double)s), 1e-5);
        var scored = TrainedModels.Multiclass.Transform(Topics.View(ml, texts.Select(t => new Topics.Row { Text = t, Label = "food" })));
        Assert.IsTrue(scored.GetColumn<float[]>("Score").All(s => s.All(float.IsFinite)));
    }
}
