using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tests.Cuda;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>Scoring on a GPU, where windows are queued before the ones ahead of them are read.</summary>
[TestClass]
[TestCategory("Gpu")]
public class DevicePredictorTests
{
    [TestMethod]
    public void WindowsUnderWayGiveTheScoresOfTheCpu()
    {
        CudaTest.RequireDevice();
        var config = RandomModel.Config;
        using var host = new RobertaPredictor(config, RandomModel.Weights(config));
        using var device = new RobertaPredictor(config, RandomModel.Weights(config).ToDictionary(w => w.Key, w => w.Value.cuda()), new() { MaxTokensPerBatch = 200 });
        var texts = RandomModel.Texts(90, config);
        var windows = texts.Chunk(30).ToArray();
        var pending = Array.ConvertAll(windows, w => device.Begin(w));
        for (int i = windows.Length; i-- > 0;) // the last first: none waits for its neighbours
        {
            var (expected, actual) = (host.Predict(windows[i]), pending[i].Read());
            for (int row = 0; row < expected.Length; row++)
                for (int j = 0; j < expected[row].Length; j++)
                    Assert.AreEqual(expected[row][j], actual[row][j], 2e-3, $"window {i}, row {row}");
        }
    }
}
