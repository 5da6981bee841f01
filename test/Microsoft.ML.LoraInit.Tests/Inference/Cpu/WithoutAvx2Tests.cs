using System.Text.Json;
using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Tests.Persistence.EarlierVersions;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference.Cpu;

/// <summary>What a process does that may not use AVX2, as on processors without it.</summary>
[TestClass]
public sealed class WithoutAvx2Tests
{
    // Sums of another order.
    private const double Tolerance = 1e-5;

    private static readonly Lazy<Answers> There = new(InAChild);
    private static readonly Lazy<Answers> Here = new(Compute);

    [TestMethod]
    public void TensorsTakeOver()
    {
        Assert.IsFalse(There.Value.UsesKernels);
        Assert.AreEqual(VectorKernels.Serve, Here.Value.UsesKernels);
    }

    [TestMethod]
    public void AStoredModelScoresAsBefore()
    {
        Near(EarlierVersionTests.Run("rslora").Scores, There.Value.Scores, 1e-6);
        Near(There.Value.Scores, There.Value.Alone, 1e-6);
    }

    [TestMethod]
    public void TrainingEndsWithTheSameModel() => Near(Here.Value.Trained, There.Value.Trained, Tolerance);

    [TestMethod]
    public void ExplanationsAreTheSame() => Near(Here.Value.Attributions, There.Value.Attributions, Tolerance);

    [TestMethod]
    public void Int8IsServed()
    {
        Near(Here.Value.Rounded, There.Value.Rounded, 1e-5);
        Near(There.Value.Scores, There.Value.Rounded, 0.1);
        Assert.AreNotEqual(There.Value.Scores[0][0], There.Value.Rounded[0][0]);
    }

    /// <summary>What the child does.</summary>
    internal static void Child(string[] args) => File.WriteAllText(args[0], JsonSerializer.Serialize(Compute()));

    private static Answers InAChild()
    {
        using var folder = new TemporaryFolder();
        using var process = TestProcess.Start<WithoutAvx2Tests>(new Dictionary<string, string> { ["DOTNET_EnableAVX2"] = "0" }, folder.File("answers"));
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, $"{error}{output.Result}");
        return JsonSerializer.Deserialize<Answers>(File.ReadAllText(folder.File("answers")))!;
    }

    private static Answers Compute()
    {
        var ml = new MLContext();
        var path = EarlierVersionTests.ModelPath("rslora");
        var model = ml.Model.Load(path, out _);
        using var owned = (IDisposable)model;
        var step = TrainedModels.Step(model);
        var scores = StoredRun.ScoresOf(model);
        using var engine = ml.Model.CreatePredictionEngine<StoredRows.Row, Topics.Prediction>(model, new PredictionEngineOptions { OwnsTransformer = false });
        var alone = StoredRows.Scored.Select(r => engine.Predict(r).Score).ToArray();
        var explained = step.Explain(StoredRows.Scored[0].Text, options: new() { Steps = 8 }).Tokens.Select(t => t.Attributions.Select(a => (float)a).ToArray()).ToArray();
        using var trained = (IDisposable)EarlierVersionTests.Run("rslora").Fit(EarlierVersionTests.Base, null);
        step.Scoring = new() { Int8 = true };
        return new(new ScoringOptions().ForPredictor(ScalarType.Float32, CPU).ScoresOnHost,
            scores, alone, StoredRun.ScoresOf((ITransformer)trained), explained, StoredRun.ScoresOf(model));
    }

    private static void Near(float[][] expected, float[][] actual, double tolerance)
    {
        Assert.IsTrue(expected.Length > 0 && expected.Length == actual.Length);
        foreach (var (e, a) in expected.Zip(actual))
            for (int i = 0; i < e.Length; i++)
                Assert.AreEqual(e[i], a[i], tolerance);
    }

    private sealed record Answers(
        bool UsesKernels, float[][] Scores, float[][] Alone, float[][] Trained, float[][] Attributions, float[][] Rounded);
}
