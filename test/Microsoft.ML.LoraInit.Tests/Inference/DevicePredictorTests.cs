using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Cuda;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>Scoring on a GPU: windows are queued before the ones ahead of them are read, small batches are recorded.</summary>
[TestClass]
[TestCategory("Gpu")]
public class DevicePredictorTests
{
    private const double Tolerance = 2e-3;

    private static readonly RobertaConfig Config = RandomModel.Config;

    [TestMethod]
    public void WindowsUnderWayGiveTheScoresOfTheCpu()
    {
        using var host = new RobertaPredictor(Config, RandomModel.Weights(Config));
        using var device = OnDevice(new() { MaxTokensPerBatch = 200 });
        var windows = RandomModel.Texts(90, Config).Chunk(30).ToArray();
        var pending = Array.ConvertAll(windows, w => device.Begin(w));
        for (int i = windows.Length; i-- > 0;) // the last first: none waits for its neighbours
        {
            var (expected, actual) = (host.Predict(windows[i]), pending[i].Read());
            for (int row = 0; row < expected.Length; row++)
                AssertClose(expected[row], actual[row], $"window {i}, row {row}");
        }
    }

    [TestMethod]
    public void RecordedPassesGiveTheScoresOfTheCpu()
    {
        using var host = new RobertaPredictor(Config, RandomModel.Weights(Config));
        using var model = new MergedModel(Config, WeightsOnDevice());
        using var passes = RecordedPasses.For(model, Config, RecordedPasses.MaxTokens)!;
        var texts = RandomModel.Texts(60, Config);
        var expected = host.Predict(texts);
        var (taken, size) = (0, 1);
        for (int i = 0; i < 600; i++, size = (i % 5) + 1)
        {
            int[] rows = [.. Enumerable.Range(0, size).Select(k => ((7 * i) + k) % texts.Length)];
            using var inference = inference_mode();
            using var scope = NewDisposeScope();
            if (passes.TryForward(texts, rows) is not { } logits)
                continue;
            taken++;
            var numbers = logits.cpu().data<float>().ToArray();
            for (int k = 0; k < size; k++)
                AssertClose(expected[rows[k]], numbers[(k * RandomModel.Outputs)..((k + 1) * RandomModel.Outputs)], $"batch {i}, row {k} of {size}");
        }
        Assert.IsTrue(passes.Recorded > 5, $"{passes.Recorded} shapes");
        Assert.IsTrue(taken > 400, $"{taken} of 600 batches");
    }

    [TestMethod]
    public void RowsOfManyThreadsAreRightWhileModelsTrainBeside()
    {
        using var host = new RobertaPredictor(Config, RandomModel.Weights(Config));
        using var device = OnDevice(new() { Batching = new() { MaxConcurrency = 2 } });
        var texts = RandomModel.Texts(60, Config);
        var expected = host.Predict(texts);
        using var onHost = TinyModel.Base(TinyModel.Config with { VocabularySize = 3000 });
        using var weights = new BaseWeights(onHost.Config, TinyModel.Identity, onHost.Tensors.ToDictionary(t => t.Key, t => t.Value.cuda()));
        using var enough = new CancellationTokenSource();
        var trainings = Enumerable.Range(0, 2).Select(seed => Task.Run(() =>
        {
            int runs = 0;
            for (; !enough.IsCancellationRequested; runs++)
                using (FineTuningRun.Execute(ToyRun.Request(rows: 64, seed: seed) with { Base = weights }))
                {
                }
            return runs;
        })).ToArray();

        Parallel.For(0, 6000, new() { MaxDegreeOfParallelism = 6 }, i => AssertClose(expected[i % 60], device.PredictOne(texts[i % 60]), $"call {i}"));
        enough.Cancel();
        Assert.IsTrue(Task.WhenAll(trainings).GetAwaiter().GetResult().All(runs => runs > 0));
    }

    private static RobertaPredictor OnDevice(PredictorOptions options) => new(Config, WeightsOnDevice(), options);

    private static Dictionary<string, Tensor> WeightsOnDevice()
    {
        CudaTest.RequireDevice();
        return RandomModel.Weights(Config).ToDictionary(w => w.Key, w => w.Value.cuda());
    }

    private static void AssertClose(float[] expected, float[] actual, string what)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        for (int j = 0; j < expected.Length; j++)
            Assert.AreEqual(expected[j], actual[j], Tolerance, what);
    }
}
