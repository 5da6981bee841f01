using System.Text.Json;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tests.Adapters.Fusion;
using Microsoft.ML.LoraInit.Tests.Export;
using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>
/// Trained models as ONNX files. With LORAINIT_ONNX_OUT set to a folder, files, ids and expected outputs stay there for
/// eng/onnx_check.py, which runs them in ONNX Runtime.
/// </summary>
[TestClass]
public sealed class OnnxExportTests
{
    private const double Tolerance = 1e-4;

    [TestMethod]
    [DataRow("multiclass", "probabilities", 3)]
    [DataRow("binary", "probability", 1)]
    [DataRow("regression", "score", 1)]
    public void EachTasksFileScoresAsTheModelDoes(string task, string score, int outputs) => Compare(
        task, TrainedModels.Step(task switch { "multiclass" => TrainedModels.Multiclass, "binary" => TrainedModels.Binary, _ => TrainedModels.Regression }), score, outputs);

    [TestMethod]
    [DataRow("houlsby:size=8")]
    [DataRow("lin:size=8,skip=1")]
    public void BottlenecksBecomePartOfTheGraph(string method)
    {
        using var model = Trained(o => o.Method = FineTuningMethod.Parse(method));
        Compare("bottlenecks", model, "probability", 1);
    }

    [TestMethod]
    public void AFusionBecomesPartOfTheGraph()
    {
        using var model = Trained(o => (o.Method, o.InitialLearningRate) = (Fusions.Mini, 0.01));
        Compare("fusion", model, "probability", 1);
    }

    [TestMethod]
    public void ACorrectedBaseIsMerged()
    {
        using var model = Trained(o => o.Initialization = LoraInitialization.Pissa());
        Compare("corrected", model, "probability", 1);
    }

    [TestMethod]
    [DoNotParallelize]
    public void TheFileSaysWhereItComesFrom()
    {
        using var folder = new TemporaryFolder();
        using var model = Imported(["naïve", "b \"c\"", "d"]);
        long before = LiveTensors.Count();
        model.SaveOnnxModel(folder.File("m.onnx"));
        LiveTensors.AssertNoMoreThan(before);
        var metadata = OnnxFile.Read(folder.File("m.onnx")).Metadata;
        Assert.AreEqual("mini", metadata["lorainit.base_model"]);
        Assert.AreEqual(model.BaseModelSha256, metadata["lorainit.base_model_sha256"]);
        Assert.AreEqual("multiclass", metadata["lorainit.task"]);
        CollectionAssert.AreEqual(new[] { "naïve", "b \"c\"", "d" }, JsonSerializer.Deserialize<string[]>(metadata["lorainit.classes"]));
        Assert.AreEqual("false", metadata["lorainit.pairs"]);
        Assert.AreEqual("512", metadata["lorainit.max_length"]);
        Assert.AreEqual("1", metadata["lorainit.pad_token_id"]);
        StringAssert.StartsWith(metadata["lorainit.version"], typeof(LoraTextTransformer).Assembly.GetName().Version!.ToString(3));
    }

    [TestMethod]
    public void AFolderIsNamedWithoutItsPath()
    {
        using var folder = new TemporaryFolder();
        var path = MiniFolder.Create(folder);
        using var model = Imported(["a", "b", "c"], RobertaCheckpoint.FromDirectory(path));
        model.SaveOnnxModel(folder.File("m.onnx"));
        Assert.AreEqual("base", OnnxFile.Read(folder.File("m.onnx")).Metadata["lorainit.base_model"]);

        MiniFolder.ChangeOneWeight(path);
        File.WriteAllText(folder.File("m.onnx"), "old");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => model.SaveOnnxModel(folder.File("m.onnx"))).Message, "changed");
        Assert.AreEqual("old", File.ReadAllText(folder.File("m.onnx")));
    }

    [TestMethod]
    public void PlacesThatCannotBeWrittenToAreNamed()
    {
        using var folder = new TemporaryFolder();
        using var model = Imported(["a", "b", "c"]);
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => model.SaveOnnxModel(folder.Path)).Message, "is a folder");
        StringAssert.Contains(Assert.ThrowsExactly<DirectoryNotFoundException>(() => model.SaveOnnxModel(folder.File("no/m.onnx"))).Message, "no");
        Assert.ThrowsExactly<ArgumentException>(() => model.SaveOnnxModel(" "));
        Assert.ThrowsExactly<ArgumentNullException>(() => ((LoraTextTransformer)null!).SaveOnnxModel("m.onnx"));
    }

    [TestMethod]
    public void ADisposedModelIsRefused()
    {
        using var folder = new TemporaryFolder();
        var model = Imported(["a", "b", "c"]);
        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.SaveOnnxModel(folder.File("m.onnx")));
        Assert.AreEqual(0, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    /// <summary>Texts from a short one to one that is cut at the maximum length, alone and in padded batches.</summary>
    private static void Compare(string name, LoraTextTransformer model, string score, int outputs)
    {
        using var temporary = new TemporaryFolder();
        var root = Path.Combine(Environment.GetEnvironmentVariable("LORAINIT_ONNX_OUT") ?? temporary.Path, name);
        Directory.CreateDirectory(root);
        var path = Path.Combine(root, "model.onnx");
        model.SaveOnnxModel(path);
        var file = OnnxFile.Read(path);
        CollectionAssert.AreEqual(new[] { "logits", score }, file.Outputs.Select(o => o.Name).ToArray());
        Assert.IsTrue(file.Outputs.All(o => o.Shape[1] == $"{outputs}"));

        int[] repeats = [1, 2, 1, 4, 1, 3, 6, 1, 9, 2, 5, 100];
        bool pairs = model.Model.ModelSettings.Texts.Text2 is not null;
        var texts = repeats.Select((n, i) => new TextPair(string.Join(' ', Enumerable.Repeat(Topics.Rows[i].Text, n)), pairs ? Topics.Rows[i].Text2 : null)).ToArray();
        var tokenizer = RobertaTextTokenizer.Of(model);
        var rows = texts.Select(t => tokenizer.Encode(t.First, t.Second)).ToArray();
        Assert.AreEqual(512, rows[^1].Length);
        var logits = model.Model.Scorer.Score(texts);
        var scores = logits.Select(model.Model.ModelSettings.Scores.Scores).ToArray();
        File.WriteAllText(Path.Combine(root, "expected.json"), JsonSerializer.Serialize(new { rows, logits, score, scores, pad_token_id = tokenizer.PadTokenId }));

        using var interpreter = new OnnxInterpreter(file);
        foreach (var batch in new[] { 0..1, 1..2, 2..10, 11..12 })
        {
            var (ids, mask, _) = tokenizer.EncodeBatch([.. texts[batch].Select(t => t.First)], pairs ? [.. texts[batch].Select(t => t.Second!)] : null);
            var actual = interpreter.Run(ids, mask, texts[batch].Length);
            Near(logits[batch], actual["logits"]);
            Near(scores[batch], actual[score]);
        }
    }

    private static LoraBinaryTextClassificationTransformer Trained(Action<LoraBinaryTextClassificationTrainer.Options> change)
    {
        var ml = Topics.Context();
        var options = Topics.Binary(o => o.MaxEpochs = 1);
        change(options);
        return ml.BinaryClassification.Trainers.LoraTextClassification(options).Fit(Topics.View(ml, Topics.Rows.Take(16)));
    }

    private static LoraTextTransformer Imported(string[] labels, RobertaCheckpoint? checkpoint = null) =>
        PeftAdapter.Load(PeftAdapterTests.Adapter, new() { BaseModel = checkpoint ?? RobertaCheckpoint.Mini, Labels = labels });

    private static void Near(float[][] expected, float[][] actual)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        var difference = expected.Zip(actual).Max(rows => rows.First.Zip(rows.Second).Max(v => Math.Abs(v.First - v.Second)));
        Assert.IsTrue(difference <= Tolerance, $"The outputs differ by {difference}.");
    }
}
