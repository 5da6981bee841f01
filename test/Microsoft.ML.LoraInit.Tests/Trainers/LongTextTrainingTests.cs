using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

[TestClass]
public sealed class LongTextTrainingTests
{
    private static readonly string Long = string.Join(' ', Topics.Rows.Take(12).Select(r => r.Text));

    [TestMethod]
    [DataRow("head-and-tail")]
    [DataRow("windows:10")]
    public void TheModelReadsLongTextsAsItWasTrained(string rule)
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        using var model = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o => (o.MaxLength, o.LongText, o.MaxEpochs) = (16, LongText.Parse(rule), 1))).Fit(View(ml)));
        Assert.AreEqual(rule == "head-and-tail" ? 1 : 0, model.History.CutRows);
        var tokenizer = RobertaTextTokenizer.Of(model);
        var windows = tokenizer.EncodeWindows(Long);
        var expected = TextDataset.Mean(model.Model.Score([.. windows.Select(w => new EncodedText(Array.ConvertAll(w, id => (int)id)))]));
        foreach (var actual in Scores(ml, model, folder))
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], actual[i], 2e-5f);
        Assert.AreEqual(rule == "head-and-tail" ? 1 : windows.Count, windows.Count);
        if (rule != "head-and-tail")
        {
            Assert.IsTrue(windows.Count > 5);
            StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => ml.Transforms.Text.RobertaTokenIds(tokenizer)).Message, "ToOnnxRuntime");
        }
    }

    [TestMethod]
    public void RowsThatAreCutAreCounted()
    {
        var ml = Topics.Context();
        var warnings = new List<string>();
        ml.Log += (_, e) => warnings.Add(e.RawMessage);
        using var model = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o => (o.MaxLength, o.MaxEpochs) = (32, 1))).Fit(View(ml)));
        Assert.AreEqual(1, model.History.CutRows);
        Assert.IsTrue(warnings.Any(w => w.Contains("1 of 31 training rows are longer than 32 tokens", StringComparison.Ordinal)), string.Join('\n', warnings));
        var tokenizer = RobertaTextTokenizer.Of(model);
        Assert.IsTrue(tokenizer.IsCut(Long));
        Assert.IsFalse(tokenizer.IsCut("The soup."));
    }

    [TestMethod]
    public void AWindowIsARowWithItsShareOfTheWeight()
    {
        EncodedText[] texts = [new([0, 5, 2]), new([0, 6, 2]), new([0, 7, 2]), new([0, 8, 2])];
        var rows = new TextDataset(texts, [1, 0], [4, 3]) { Windows = [3, 1] };
        Assert.AreEqual(2, rows.Count);
        var expanded = rows.Expanded();
        CollectionAssert.AreEqual(new float[] { 1, 1, 1, 0 }, expanded.Labels);
        CollectionAssert.AreEqual(new[] { 4 / 3f, 4 / 3f, 4 / 3f, 3 }, expanded.Weights);
        CollectionAssert.AreEqual(new[] { 8 }, rows.Take([1]).Texts.Select(t => t.Ids[1]).ToArray());
        var combined = rows.Combine([[3, 0], [6, 3], [0, 3], [1, 1]]);
        CollectionAssert.AreEqual(new float[] { 3, 2 }, combined[0]);
        CollectionAssert.AreEqual(new float[] { 1, 1 }, combined[1]);
    }

    [TestMethod]
    public void WindowsChangeWhatIsLearnt()
    {
        var ml = Topics.Context();
        float[] Score(LongText rule)
        {
            using var model = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o =>
                (o.MaxLength, o.LongText, o.MaxEpochs, o.ValidationData) = (16, rule, 1, View(ml)))).Fit(View(ml)));
            Assert.IsTrue(double.IsFinite(model.History.Epochs[0].ValidationLoss!.Value));
            return model.Model.Scorer.Score([new("The soup.", null)])[0];
        }
        CollectionAssert.AreNotEqual(Score(LongText.Truncate), Score(LongText.Windows(10)));
    }

    // Of the model, of the saved one, one row at a time, of ONNX Runtime and of a library.
    private static IEnumerable<float[]> Scores(MLContext ml, LoraTextTransformer model, TemporaryFolder folder)
    {
        TextPair[] texts = [new("The soup.", null), new(Long, null)];
        yield return model.Model.Scorer.Score(texts)[1];
        yield return model.Model.Scorer.ScoreOne(texts[1]);
        ml.Model.Save(model, null, folder.File("m.mlnet"));
        using var loaded = (LoraTextTransformer)ml.Model.Load(folder.File("m.mlnet"), out _);
        yield return loaded.Model.Scorer.Score(texts)[1];
        using var onnx = model.ToOnnxRuntime();
        ml.Model.Save(onnx, null, folder.File("o.mlnet"));
        using var loadedOnnx = (OnnxTextTransformer)ml.Model.Load(folder.File("o.mlnet"), out _);
        Assert.AreEqual(RobertaTextTokenizer.Of(model).LongText, loadedOnnx.Tokenizer.LongText);
        yield return loadedOnnx.Model.Scorer.Score(texts)[1];
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        library.Add("one", model);
        library.Save(folder.File("library"));
        using var second = AdapterLibrary.Load(folder.File("library"));
        using var alone = second.CreateModel("one");
        yield return alone.Model.Scorer.Score(texts)[1];
        var expected = model.Model.ModelSettings.Scores.Scores(model.Model.Scorer.Score(texts)[1]);
        var actual = second.Predict("one", [texts[0].First, Long])[1].Score;
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5f);
    }

    private static IDataView View(MLContext ml) => Topics.View(ml, [.. Topics.Rows.Take(30), new() { Text = Long, Label = "food" }]);
}
