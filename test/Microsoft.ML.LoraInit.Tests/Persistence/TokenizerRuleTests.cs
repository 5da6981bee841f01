using System.Buffers.Binary;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tests.Export;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

/// <summary>A model keeps the tokenizer's rule that it was trained with.</summary>
[TestClass]
public sealed class TokenizerRuleTests
{
    private const string Prefix = """{"add_prefix_space": true, "tokenizer_class": "RobertaTokenizer"}""";

    private readonly MLContext _ml = Topics.Context();

    [TestMethod]
    [DataRow(ModelSaveMode.SelfContained)]
    [DataRow(ModelSaveMode.AdapterOnly)]
    public void AModelScoresByItsOwnRuleWhateverBecomesOfTheBasesSettings(ModelSaveMode mode)
    {
        using var folder = new TemporaryFolder();
        var path = WithPrefix(folder);
        var view = Topics.View(_ml);
        using var model = Train(path, mode);
        using var stream = Saved(model);
        File.Delete(Path.Combine(path, "tokenizer_config.json"));
        using var loaded = (LoraTextTransformer)_ml.Model.Load(stream, out _);

        Assert.IsTrue(loaded.Model.ModelSettings.Tokenizer!.AddPrefixSpace);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(view)), TrainedModels.ScoreBits(loaded.Transform(view)));
        CollectionAssert.AreEqual(new long[] { 0, 7782, 82, 957, 2 }, RobertaTextTokenizer.Of(loaded).Encode("Hello world"));
        CollectionAssert.AreEqual(new long[] { 0, 43, 468, 82, 957, 2 }, RobertaTextTokenizer.Of(RobertaCheckpoint.FromDirectory(path)).Encode("Hello world"));
    }

    [TestMethod]
    public void ARuleRaisesTheFormatSoThatOlderLibrariesRefuseIt()
    {
        using var without = MadeUpModels.Create("plain", MadeUpModels.Binary(), 1);

        Assert.AreEqual(ModelFormat.WithoutTokenizer, FormatOf(without));
        Assert.AreEqual(ModelFormat.WithoutModelType, FormatOf((LoraTextTransformer)TrainedModels.Binary));
    }

    [TestMethod]
    public void AModelWithoutARuleReadsSpecialTokensAsTextAsItDid()
    {
        using var old = MadeUpModels.Create("plain", MadeUpModels.Binary(), 1);
        using var stream = Saved(old);
        using var loaded = (LoraTextTransformer)_ml.Model.Load(stream, out _);

        CollectionAssert.AreEqual(new long[] { 0, 68, 31, 80, 2684, 33, 2 }, RobertaTextTokenizer.Of(loaded).Encode("a<mask>"));
        CollectionAssert.AreEqual(new long[] { 0, 68, 8191, 2 }, RobertaTextTokenizer.Of((LoraTextTransformer)TrainedModels.Binary).Encode("a<mask>"));
    }

    [TestMethod]
    public void SpecialTokensAsTextIsStored()
    {
        var model = _ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => (o.MaxEpochs, o.SpecialTokensAsText) = (1, true))).Fit(Topics.View(_ml));
        using var stream = Saved(model);
        using var loaded = (LoraTextTransformer)_ml.Model.Load(stream, out _);

        CollectionAssert.AreEqual(new long[] { 0, 68, 31, 80, 2684, 33, 2 }, RobertaTextTokenizer.Of(loaded).Encode("a<mask>"));
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    public void ABaseWithAddedTokensAndNoVocabJsonTrains()
    {
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.GetFiles(ParityData.RequireShared(Path.Combine("parity", "tokenizers", "added"))))
            File.Copy(file, folder.File(Path.GetFileName(file)));
        WriteResized(folder.File("model.safetensors"), 8195);
        using var model = Train(folder.Path, ModelSaveMode.SelfContained);
        using var stream = Saved(model);
        using var loaded = (LoraTextTransformer)_ml.Model.Load(stream, out _);

        CollectionAssert.AreEqual(new long[] { 0, 8192, 7782, 82, 2 }, RobertaTextTokenizer.Of(loaded).Encode("[E1] Hello"));
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(Topics.View(_ml))), TrainedModels.ScoreBits(loaded.Transform(Topics.View(_ml))));
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    public void AnAdaptersTokenizerGoesBeforeItsBases()
    {
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.GetFiles(PeftAdapterTests.Adapter))
            File.Copy(file, folder.File(Path.GetFileName(file)));
        File.WriteAllText(folder.File("tokenizer_config.json"), Prefix);
        var options = new PeftAdapterOptions { BaseModel = RobertaCheckpoint.Mini };
        using var model = PeftAdapter.Load(folder.Path, options);
        CollectionAssert.AreEqual(new long[] { 0, 7782, 82, 957, 2 }, RobertaTextTokenizer.Of(model).Encode("Hello world"));

        File.WriteAllText(folder.File("added_tokens.json"), """{"[E1]": 8192}""");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => PeftAdapter.Load(folder.Path, options)).Message, "[E1]");
    }

    [TestMethod]
    public void AnExplanationsPlacesAreThoseOfTheText()
    {
        using var folder = new TemporaryFolder();
        using var model = Train(WithPrefix(folder), ModelSaveMode.SelfContained);
        const string Text = "Hello <mask>日b";

        var tokens = model.Explain(Text, options: new() { Steps = 2 }).Tokens;

        Assert.AreEqual(Text, string.Concat(tokens.Select((t, i) => Text[(i == 0 ? 0 : End(tokens[i - 1]))..t.Start] + t.Text)));
        Assert.AreEqual("<mask>", tokens.Single(t => t.Text.Contains("mask", StringComparison.Ordinal)).Text);

        static int End(TokenAttribution token) => token.Start + token.Length;
    }

    private static string WithPrefix(TemporaryFolder folder)
    {
        var path = MiniFolder.Create(folder);
        File.WriteAllText(Path.Combine(path, "tokenizer_config.json"), Prefix);
        return path;
    }

    private LoraTextTransformer Train(string folder, ModelSaveMode mode) => _ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o =>
        (o.MaxEpochs, o.BaseModel, o.SaveMode) = (1, RobertaCheckpoint.FromDirectory(folder), mode))).Fit(Topics.View(_ml));

    private MemoryStream Saved(LoraTextTransformer model)
    {
        var stream = new MemoryStream();
        _ml.Model.Save(model, Topics.View(_ml).Schema, stream);
        stream.Position = 0;
        return stream;
    }

    private static int FormatOf(LoraTextTransformer model)
    {
        using var stream = new MemoryStream();
        ModelWriter.Write(stream, model.Model, ModelSaveMode.AdapterOnly);
        return BinaryPrimitives.ReadInt32LittleEndian(stream.GetBuffer().AsSpan(8));
    }

    private static void WriteResized(string path, int size)
    {
        const string Words = "roberta.embeddings.word_embeddings.weight";
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var scope = NewDisposeScope();
        var tensors = files.LoadTensors(n => n.StartsWith("roberta.", StringComparison.Ordinal), CPU, ScalarType.Float32).ToDictionary();
        tensors[Words] = cat([tensors[Words], tensors[Words][..(size - (int)tensors[Words].shape[0])]], 0);
        SafetensorsWriter.Write(path, tensors);
    }
}
