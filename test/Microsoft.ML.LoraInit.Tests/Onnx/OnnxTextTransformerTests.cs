using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>Models of each task as ONNX Runtime scores them, against the models that they were made of.</summary>
[TestClass]
public sealed class OnnxTextTransformerTests
{
    private static readonly PredictionEngineOptions Shared = new() { OwnsTransformer = false };

    // From a sentence to a text that is cut at the maximum length, and nothing at all.
    private static readonly Topics.Row[] Rows =
    [
        .. new[] { 1, 2, 0, 4, 1, 6, 9, 100 }.Select((n, i) => new Topics.Row { Text = string.Join(' ', Enumerable.Repeat(Topics.Rows[i].Text, n)), Text2 = Topics.Rows[i].Text2 }),
        .. Topics.Rows,
    ];

    public static IEnumerable<object[]> Names => [["multiclass"], ["binary"], ["regression of pairs"], ["multilabel pairs"]];

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void ScoresAreThoseOfTheModel(string name)
    {
        var model = Model(name);
        using var onnx = model.ToOnnxRuntime();
        foreach (var column in model.Model.ModelSettings.Scores.Names.Where(c => c != "PredictedLabel"))
            Assert.AreEqual(0, Difference(Values(model, column), Values(onnx, column)), 1e-5, column);
        if (name != "regression of pairs")
            CollectionAssert.AreEqual(Labels(model), Labels(onnx));
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void EightBitsAreNearAndLabelsMostlyEqual(string name)
    {
        var model = Model(name);
        using var onnx = model.ToOnnxRuntime(new() { Int8 = true });
        var difference = Difference(Values(model, "Score"), Values(onnx, "Score"));
        Assert.IsTrue(difference is > 0 and < 0.15, $"{difference}");
        if (name == "regression of pairs")
            return;
        int changed = Labels(model).Zip(Labels(onnx)).Count(l => l.First != l.Second);
        Assert.IsTrue(changed <= Rows.Length / 20, $"{changed} of {Rows.Length} labels changed.");
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void ColumnsAndAnnotationsAreTheModels(string name)
    {
        var model = Model(name);
        using var onnx = model.ToOnnxRuntime();
        var input = Topics.View(Topics.Context()).Schema;
        var expected = AnnotationText.Describe(model.GetOutputSchema(input));
        Assert.IsTrue(expected.Any(line => line.Contains("ScoreColumnKind", StringComparison.Ordinal)), string.Join('\n', expected));
        CollectionAssert.AreEqual(expected, AnnotationText.Describe(onnx.GetOutputSchema(input)));
    }

    [TestMethod]
    public void APipelineKeepsItsOtherSteps()
    {
        var ml = Topics.Context();
        using var onnx = (TransformerChain<ITransformer>)TrainedModels.Multiclass.ToOnnxRuntime();
        Assert.AreEqual(1, onnx.OfType<OnnxTextTransformer>().Count());
        CollectionAssert.AreEqual(
            TrainedModels.Multiclass.Transform(Topics.View(ml)).GetColumn<string>("PredictedLabel").ToArray(),
            onnx.Transform(Topics.View(ml)).GetColumn<string>("PredictedLabel").ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => onnx.ToOnnxRuntime()).Message, "LoraTextTransformer");
    }

    [TestMethod]
    public void EightEnginesAtOnceAgreeWithTheModel()
    {
        var ml = Topics.Context();
        var expected = Values(Model("multiclass"), "Score", Topics.Rows);
        using var onnx = (TransformerChain<ITransformer>)TrainedModels.Multiclass.ToOnnxRuntime();
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(onnx, Shared);
            for (int k = 0; k < Topics.Rows.Count; k++)
            {
                int i = (k + (worker * 9)) % Topics.Rows.Count;
                Assert.AreEqual(0, Difference([expected[i]], [engine.Predict(Topics.Rows[i]).Score]), 1e-5, $"worker {worker}, row {i}");
            }
        });
    }

    [TestMethod]
    public void OptionsTakeEffectWhileEnginesPredict()
    {
        var ml = Topics.Context();
        using var onnx = Model("multiclass").ToOnnxRuntime(new() { CpuThreads = 1 });
        using var stop = new CancellationTokenSource();
        var load = OwnThread.Run(() =>
        {
            int passes = 0;
            for (; !stop.IsCancellationRequested; passes++)
                Assert.AreEqual(Topics.Rows.Count, onnx.Transform(Topics.View(ml)).GetColumn<float[]>("Score").Count(s => Math.Abs(s.Sum() - 1) < 1e-4));
            return passes;
        });
        foreach (int threads in new[] { 2, 1, 3 })
            onnx.Scoring = new() { CpuThreads = threads, MaxGatheredRows = threads, MaxTokensPerBatch = 100 * threads };
        stop.Cancel();
        Assert.IsTrue(load.Result >= 0);
        Assert.AreEqual(3, onnx.Scoring.CpuThreads);
    }

    [TestMethod]
    public void ADisposedModelSaysSo()
    {
        var onnx = Model("binary").ToOnnxRuntime();
        var view = onnx.Transform(Topics.View(Topics.Context()));
        onnx.Dispose();
        onnx.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => view.GetColumn<float>("Score").ToArray());
        Assert.ThrowsExactly<ObjectDisposedException>(() => onnx.Scoring = new());
        Assert.AreEqual(Topics.Rows.Count, view.GetColumn<string>("Text").Count(), "columns that need no model are still there");
    }

    [TestMethod]
    public void BadOptionsAreNamedBeforeAnyWork()
    {
        using var onnx = Model("binary").ToOnnxRuntime();
        foreach (var (options, named) in ((OnnxScoringOptions, string)[])[
            (new() { MaxGatheredRows = 0 }, "MaxGatheredRows = 0"), (new() { MaxWait = TimeSpan.FromHours(1) }, "MaxWait"), (new() { CpuThreads = 0 }, "CpuThreads = 0"),
            (new() { MaxConcurrentBatches = 0 }, "MaxConcurrentBatches"), (new() { MaxTokensPerBatch = -1 }, "MaxTokensPerBatch"), (new() { DeviceId = -1 }, "DeviceId"),
            (new() { ExecutionProvider = (OnnxExecutionProvider)9 }, "ExecutionProvider = 9"), (new() { Int8 = true, ExecutionProvider = OnnxExecutionProvider.Cuda }, "8 bits are for CPUs")])
        {
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Model("binary").ToOnnxRuntime(options)).Message, named);
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => onnx.Scoring = options).Message, named);
        }
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => onnx.Scoring = new() { Int8 = true }).Message, "fp32");
        Assert.AreEqual(new OnnxScoringOptions(), onnx.Scoring);
    }

    [TestMethod]
    [DataRow(OnnxExecutionProvider.Cuda, "CUDAExecutionProvider")]
    [DataRow(OnnxExecutionProvider.TensorRT, "TensorrtExecutionProvider")]
    [DataRow(OnnxExecutionProvider.DirectML, "DmlExecutionProvider")]
    [DataRow(OnnxExecutionProvider.CoreML, "CoreMLExecutionProvider")]
    public void AProviderThatIsNotThereIsNamed(OnnxExecutionProvider provider, string named)
    {
        if (Microsoft.ML.OnnxRuntime.OrtEnv.Instance().GetAvailableProviders().Contains(named))
            Assert.Inconclusive($"{named} is there.");
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Model("binary").ToOnnxRuntime(new() { ExecutionProvider = provider })).Message;
        StringAssert.Contains(message, named);
        StringAssert.Contains(message, "CPUExecutionProvider");
    }

    [TestMethod]
    public void WithoutThePackageEightBitsSayWhichToAdd()
    {
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Int8PackageAttribute.Find("Microsoft.ML.LoraInit.NoSuchPackage")).Message;
        StringAssert.Contains(message, "ScoringOptions.Int8 needs the package Microsoft.ML.LoraInit.NoSuchPackage");
        Assert.AreEqual(Int8PackageAttribute.Name, typeof(OnnxTextTransformer).Assembly.GetName().Name);
        Assert.AreEqual(typeof(OnnxTextTransformer).Assembly, Int8PackageAttribute.Find().GetType().Assembly);
    }

    private static LoraTextTransformer Model(string name) => TrainedModels.Step(name switch
    {
        "multiclass" => TrainedModels.Multiclass,
        "binary" => TrainedModels.Binary,
        "regression of pairs" => TrainedModels.Regression,
        _ => TrainedModels.MultiLabelPairs,
    });

    private static float[][] Values(ITransformer model, string column, IEnumerable<Topics.Row>? rows = null)
    {
        var scored = model.Transform(Topics.View(Topics.Context(), rows ?? Rows));
        return scored.Schema[column].Type is VectorDataViewType ? [.. scored.GetColumn<float[]>(column)] : [.. scored.GetColumn<float>(column).Select(v => new[] { v })];
    }

    private static string[] Labels(ITransformer model)
    {
        var scored = model.Transform(Topics.View(Topics.Context(), Rows));
        return scored.Schema["PredictedLabel"].Type switch
        {
            VectorDataViewType => [.. scored.GetColumn<bool[]>("PredictedLabel").Select(l => string.Join(' ', l))],
            BooleanDataViewType => [.. scored.GetColumn<bool>("PredictedLabel").Select(l => $"{l}")],
            _ => [.. scored.GetColumn<uint>("PredictedLabel").Select(l => $"{l}")],
        };
    }

    private static double Difference(float[][] expected, float[][] actual)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        return expected.Zip(actual, (e, a) => e.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max();
    }
}
