using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>What a RoBERTa can, an XLM-RoBERTa and a CamemBERT can: training, files of every kind, other runtimes.</summary>
[TestClass]
public sealed class XlmRobertaTests
{
    private const string Text = "Где мой красный зонт? <mask> here";

    private static readonly TemporaryFolder Folder = new();

    private static readonly Lazy<LoraTextTransformer> LazyModel = new(() => Train(XlmrData.Write(Folder.File("xlmr"))));

    [ClassCleanup]
    public static void Clean()
    {
        if (LazyModel.IsValueCreated)
            LazyModel.Value.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    [DataRow("xlm-roberta", 5002)]
    [DataRow("camembert", 5005)]
    public void ASelfContainedModelScoresAsBeforeWithoutItsBase(string type, int vocabulary)
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        using var model = Train(XlmrData.Write(folder.File("base"), XlmrData.Config(type, vocabulary)));
        var view = Topics.View(ml);
        var expected = TrainedModels.ScoreBits(model.Transform(view));
        ml.Model.Save(model, view.Schema, folder.File("m.mlnet"));
        Directory.Delete(folder.File("base"), recursive: true);

        using var loaded = (LoraTextTransformer)ml.Model.Load(folder.File("m.mlnet"), out _);

        CollectionAssert.AreEqual(expected, TrainedModels.ScoreBits(loaded.Transform(view)));
        ml.Model.Save(loaded, view.Schema, folder.File("again.mlnet"));
        Assert.AreEqual(new FileInfo(folder.File("m.mlnet")).Length, new FileInfo(folder.File("again.mlnet")).Length);
    }

    [TestMethod]
    public void OlderLibrariesRefuseTheFilesAsNewer()
    {
        using var stream = new MemoryStream();
        ModelWriter.Write(stream, LazyModel.Value.Model, ModelSaveMode.AdapterOnly);
        Assert.AreEqual(3, BitConverter.ToInt32(stream.ToArray(), 8));
    }

    [TestMethod]
    public void TheTokenisingStepKeepsItsVocabulary()
    {
        var tokenizer = RobertaTextTokenizer.Of(LazyModel.Value);
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        var view = ml.Data.LoadFromEnumerable([new Topics.Row { Text = Text }]);
        var step = ml.Transforms.Text.RobertaTokenIds(tokenizer).Fit(view);
        ml.Model.Save(step, view.Schema, folder.File("step.zip"));

        var loaded = ml.Model.Load(folder.File("step.zip"), out _);

        CollectionAssert.AreEqual(tokenizer.Encode(Text), loaded.Transform(view).GetColumn<long[]>("input_ids").Single());
    }

    [TestMethod]
    public void AMergedFolderIsAPlainBaseOfItsKind()
    {
        using var folder = new TemporaryFolder();
        LazyModel.Value.SaveMergedModel(folder.File("merged"));
        Assert.IsTrue(File.Exists(Path.Combine(folder.File("merged"), "sentencepiece.bpe.model")) && !File.Exists(Path.Combine(folder.File("merged"), "vocab.json")));
        StringAssert.Contains(File.ReadAllText(Path.Combine(folder.File("merged"), "config.json")), "XLMRobertaForSequenceClassification");
        StringAssert.Contains(File.ReadAllText(Path.Combine(folder.File("merged"), "tokenizer_config.json")), "XLMRobertaTokenizer");
        CollectionAssert.AreEqual(
            RobertaTextTokenizer.Of(LazyModel.Value).Encode(Text), RobertaTextTokenizer.Of(RobertaCheckpoint.FromDirectory(folder.File("merged"))).Encode(Text));
    }

    [TestMethod]
    public void AnAdapterGoesToPeftAndBack()
    {
        using var folder = new TemporaryFolder();
        var view = Topics.View(Topics.Context());
        LazyModel.Value.SavePeftAdapter(folder.File("adapter"));
        using var loaded = PeftAdapter.Load(folder.File("adapter"), new() { Task = PeftTask.Binary });
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(LazyModel.Value.Transform(view)), TrainedModels.ScoreBits(loaded.Transform(view)));
    }

    [TestMethod]
    public void AnOnnxFileScoresAlike()
    {
        using var folder = new TemporaryFolder();
        LazyModel.Value.SaveOnnxModel(folder.File("m.onnx"));
        using var session = new InferenceSession(folder.File("m.onnx"));
        var texts = Topics.Rows.Take(5).Select(r => r.Text).Append(Text).ToArray();
        var (ids, mask, length) = RobertaTextTokenizer.Of(LazyModel.Value).EncodeBatch(texts);
        int[] shape = [texts.Length, length];

        using var outputs = session.Run([NamedOnnxValue.CreateFromTensor("input_ids", new DenseTensor<long>(ids, shape)), NamedOnnxValue.CreateFromTensor("attention_mask", new DenseTensor<long>(mask, shape))]);

        var ml = Topics.Context();
        var scored = LazyModel.Value.Transform(ml.Data.LoadFromEnumerable(texts.Select(t => new Topics.Row { Text = t })));
        foreach (var (expected, actual) in scored.GetColumn<float>("Score").Zip(outputs.First(o => o.Name == "logits").AsEnumerable<float>()))
            Assert.AreEqual(expected, actual, 1e-4f);
    }

    [TestMethod]
    public void OnnxRuntimesTransformerIsSavedWithTheVocabulary()
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        using var onnx = LazyModel.Value.ToOnnxRuntime();
        var view = Topics.View(ml);
        var expected = TrainedModels.ScoreBits(onnx.Transform(view));
        ml.Model.Save(onnx, view.Schema, folder.File("m.mlnet"));
        using var loaded = (OnnxTextTransformer)ml.Model.Load(folder.File("m.mlnet"), out _);
        CollectionAssert.AreEqual(expected, TrainedModels.ScoreBits(loaded.Transform(view)));
    }

    [TestMethod]
    public void AnAdapterLibraryServesIt()
    {
        using var library = AdapterLibrary.Create(LazyModel.Value.Model.Checkpoint);
        library.Add("topic", LazyModel.Value);
        var expected = LazyModel.Value.Transform(Topics.View(Topics.Context(), Topics.Rows.Take(3))).GetColumn<float>("Probability").ToArray();
        for (int i = 0; i < 3; i++)
            Assert.AreEqual(expected[i], library.Predict("topic", Topics.Rows[i].Text).Score[1], 1e-5f);
    }

    [TestMethod]
    public void AnExplanationCoversTheText()
    {
        var explanation = LazyModel.Value.Explain("Кошка спит на окне.");
        Assert.IsTrue(explanation.Tokens.Count > 4);
        Assert.AreEqual("Кошка спит на окне.".Replace(" ", "", StringComparison.Ordinal), string.Concat(explanation.Tokens.Select(t => t.Text)));
    }

    [TestMethod]
    public void ABareEncoderOfLongTextsLoads()
    {
        using var folder = new TemporaryFolder();
        var checkpoint = XlmrData.Write(folder.File("m3"), XlmrData.Config(positions: 8194), tensorPrefix: "", tokenizerJson: XlmrData.TokenizerJson());
        Assert.AreEqual(8192, checkpoint.ReadShape().MaxLength);
        Assert.HasCount(8192, RobertaTextTokenizer.Of(checkpoint).Encode(string.Concat(Enumerable.Repeat("a b ", 5000))));
        using var model = Train(checkpoint);
        Assert.HasCount(75, TrainedModels.ScoreBits(model.Transform(Topics.View(Topics.Context()))));
    }

    private static LoraTextTransformer Train(RobertaCheckpoint checkpoint)
    {
        var ml = Topics.Context();
        var options = Topics.Binary(o => (o.BaseModel, o.MaxEpochs, o.Rank) = (checkpoint, 1, 2));
        return ml.BinaryClassification.Trainers.LoraTextClassification(options).Fit(Topics.View(ml));
    }
}
