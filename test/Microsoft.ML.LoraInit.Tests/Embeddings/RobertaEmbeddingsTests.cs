using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Contracts;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Embeddings;

[TestClass]
public sealed class RobertaEmbeddingsTests
{
    private static readonly string[] Texts = ["The soup needs more salt.", "x", "", string.Concat(Enumerable.Repeat("Our team won the league match. ", 20))];

    private readonly MLContext _ml = Topics.Context();

    private IDataView View => Topics.View(_ml);

    [TestMethod]
    [DataRow(SentencePooling.Mean)]
    [DataRow(SentencePooling.FirstToken)]
    public void ItKeepsTheContractOfEstimators(SentencePooling pooling)
    {
        var wrong = new[] { _ml.Transforms.DropColumns("Text").Fit(View).Transform(View), _ml.Transforms.CopyColumns("Text", "Value").Fit(View).Transform(View) };
        EstimatorContract.Hold(_ml, _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { Pooling = pooling, MaxLength = 32 }), View, wrong);
    }

    [TestMethod]
    [DataRow(SentencePooling.Mean, Precision.Float32)]
    [DataRow(SentencePooling.FirstToken, Precision.Float32)]
    [DataRow(SentencePooling.Mean, Precision.BFloat16)]
    [DataRow(SentencePooling.FirstToken, Precision.BFloat16)]
    public void VectorsAreThePooledStatesOfTheLastLayer(SentencePooling pooling, Precision precision)
    {
        using var step = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { Pooling = pooling, Normalize = false, Precision = precision }).Fit(View);

        var vectors = step.Embed(Texts);

        for (int i = 0; i < Texts.Length; i++)
            Close(Reference(Texts[i], pooling), vectors[i], precision == Precision.Float32 ? 1e-5 : 0.15);
    }

    [TestMethod]
    public void TensorsAndVectorCodeGiveTheSameVectors()
    {
        var step = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { MaxLength = 64 });
        using var vectorCode = step.Fit(View);
        var alone = Texts.Select(t => vectorCode.Embed([t])[0]).ToArray();
        foreach (var (one, many) in alone.Zip(vectorCode.Embed(Texts)))
            CollectionAssert.AreEqual(one, many, "no vector depends on its company");
        using var model = LoraInit.Embeddings.EmbeddingModels.Of(RobertaCheckpoint.Mini, null, new() { MaxLength = 64, Precision = Precision.BFloat16 }, CPU);
        Assert.IsTrue(model.Scorer.Score([new("x", null)])[0].Length == vectorCode.Dimension);
    }

    [TestMethod]
    public void NormalisedVectorsAreOneLong()
    {
        using var step = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini).Fit(View);
        foreach (var vector in step.Transform(View).GetColumn<float[]>("Embedding").Take(5).Concat(step.Embed(Texts)))
            Assert.AreEqual(1.0, vector.Sum(v => (double)v * v), 1e-5);
        var zeros = new float[3];
        LoraInit.Embeddings.EmbeddingSchema.Normalize(zeros);
        CollectionAssert.AreEqual(new float[3], zeros);
    }

    [TestMethod]
    public void ATrainedModelGivesVectorsOfEveryKind()
    {
        var model = TrainedModels.Step(TrainedModels.Multiclass);
        using var mean = Fit(SentencePooling.Mean);
        using var head = Fit(SentencePooling.HeadInput);
        using var baseAlone = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini).Fit(View);
        Assert.IsGreaterThan(1e-3, Distance(mean.Embed(Texts)[0], baseAlone.Embed(Texts)[0]), "the adapters count");
        // The projection over the head's input gives the model's logits.
        var (weight, bias) = Projection(model);
        string[] texts = [.. Texts.Where(t => t.Length > 0)]; // the scores of an empty text are the classes' shares
        Assert.HasCount(head.Dimension, head.Embed([""])[0]);
        foreach (var (vector, logits) in head.Embed(texts).Zip(model.Model.Scorer.Score([.. texts.Select(t => new LoraInit.Inference.TextPair(t, null))])))
            Close([.. Enumerable.Range(0, bias.Length).Select(o => bias[o] + vector.Select((v, k) => v * weight[(o * vector.Length) + k]).Sum())], logits, 1e-4);

        RobertaEmbeddingTransformer Fit(SentencePooling pooling) => _ml.Transforms.Text.RobertaEmbeddings(model, new() { Pooling = pooling, Normalize = pooling == SentencePooling.Mean }).Fit(View);
    }

    [TestMethod]
    public void AnAdapterOfPeftCounts()
    {
        var adapter = Path.Combine(ParityData.Embedded, "peft_lora");
        using var plain = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini).Fit(View);
        using var adapted = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini, adapterFolder: adapter).Fit(View);
        using var loaded = PeftAdapter.Load(adapter, new() { BaseModel = RobertaCheckpoint.Mini });
        using var same = _ml.Transforms.Text.RobertaEmbeddings(loaded).Fit(View);
        Assert.IsGreaterThan(1e-4, Distance(plain.Embed(Texts)[0], adapted.Embed(Texts)[0]));
        CollectionAssert.AreEqual(same.Embed(Texts)[0], adapted.Embed(Texts)[0]);
    }

    [TestMethod]
    public void MLNetsTrainersLearnFromVectors()
    {
        var embeddings = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini);
        var classes = _ml.Transforms.Conversion.MapValueToKey("Label").Append(embeddings)
            .Append(_ml.MulticlassClassification.Trainers.SdcaMaximumEntropy(featureColumnName: "Embedding", maximumNumberOfIterations: 100));
        var model = classes.Fit(View);
        Assert.IsGreaterThan(0.9, _ml.MulticlassClassification.Evaluate(model.Transform(View)).MicroAccuracy);
        using var stream = new MemoryStream();
        _ml.Model.Save(model, View.Schema, stream);
        var loaded = _ml.Model.Load(stream, out _);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(View)), TrainedModels.ScoreBits(loaded.Transform(View)));

        var clusters = embeddings.Append(_ml.Clustering.Trainers.KMeans("Embedding", numberOfClusters: 3)).Fit(View).Transform(View);
        Assert.AreEqual(3, clusters.GetColumn<uint>("PredictedLabel").Distinct().Count());
    }

    [TestMethod]
    public void ASavedStepOfAFolderNeedsNoFolder()
    {
        using var folder = new TemporaryFolder();
        var step = _ml.Transforms.Text.RobertaEmbeddings(XlmrData.Write(folder.File("base")), new() { Prefix = "query: ", Normalize = false, OutputColumnName = "Vector" }).Fit(View);
        var expected = step.Embed(["Привет"])[0];
        _ml.Model.Save(step, View.Schema, folder.File("step.mlnet"));
        step.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => step.Embed(["x"]));
        Directory.Delete(folder.File("base"), recursive: true);

        using var loaded = (RobertaEmbeddingTransformer)_ml.Model.Load(folder.File("step.mlnet"), out _);

        CollectionAssert.AreEqual(expected, loaded.Embed(["Привет"])[0]);
        Assert.AreEqual((16, 64, SentencePooling.Mean, false), (loaded.Dimension, loaded.MaxLength, loaded.Pooling, loaded.Normalize));
        Assert.IsNotNull(loaded.GetOutputSchema(View.Schema).GetColumnOrNull("Vector"));
    }

    [TestMethod]
    public void APrefixIsPartOfEveryText()
    {
        using var plain = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini).Fit(View);
        using var prefixed = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { Prefix = "query: " }).Fit(View);
        CollectionAssert.AreEqual(plain.Embed(["query: rain"])[0], prefixed.Embed(["rain"])[0]);
        var rows = Topics.View(_ml, [new Topics.Row { Text = "rain" }]);
        CollectionAssert.AreEqual(prefixed.Embed(["rain"])[0], prefixed.Transform(rows).GetColumn<float[]>("Embedding").Single());
    }

    [TestMethod]
    public void WhatCannotBeIsRefused()
    {
        var text = _ml.Transforms.Text;
        StringAssert.Contains(Refused(() => text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { Pooling = SentencePooling.HeadInput }).Fit(View)), "needs a trained head");
        StringAssert.Contains(Refused(() => text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { MaxLength = 513 }).Fit(View)), "512 tokens");
        StringAssert.Contains(Refused(() => text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { MaxLength = 4 })), "MaxLength = 4");
        StringAssert.Contains(Refused(() => text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { OutputColumnName = " " })), "OutputColumnName");
        StringAssert.Contains(Refused(() => text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { Pooling = (SentencePooling)9 })), "Pooling = 9");
        using var step = text.RobertaEmbeddings(RobertaCheckpoint.Mini).Fit(View);
        StringAssert.Contains(Refused(() => step.Scoring = new ScoringOptions { Int8 = true }), "Int8");
    }

    [TestMethod]
    public void DamagedStepsAreRefused()
    {
        using var step = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini).Fit(View);
        using var stream = new MemoryStream();
        using var model = LoraInit.Embeddings.EmbeddingModels.Of(RobertaCheckpoint.Mini, null, new(), CPU);
        LoraInit.Embeddings.EmbeddingFormat.Write(stream, LoraInit.Embeddings.EmbeddingColumns.Of(new()), model, ModelSaveMode.AdapterOnly);
        var bytes = stream.ToArray();
        foreach (int length in new[] { 0, 7, 12, 40, 200, bytes.Length - 1 })
            Assert.ThrowsExactly<InvalidDataException>(() => Read(bytes[..length]), $"{length}");
        foreach (int at in new[] { 0, 12, 17, 60, 300 })
        {
            var spoilt = (byte[])bytes.Clone();
            spoilt[at] ^= 0xFF;
            Assert.ThrowsExactly<InvalidDataException>(() => Read(spoilt), $"{at}");
        }

        static object Read(byte[] content)
        {
            using var memory = new MemoryStream(content);
            return LoraInit.Embeddings.EmbeddingFormat.Read(memory, CPU);
        }
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    public void MeansEqualThoseOfTransformersStates()
    {
        using var scope = NewDisposeScope();
        var folder = XlmrData.Require("xlm-roberta-tiny");
        using var expected = LoraInit.Checkpoints.SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var step = _ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.FromDirectory(folder), new() { Normalize = false, MaxLength = 64 }).Fit(View);
        var mask = expected.Read("attention_mask").to(ScalarType.Float32).unsqueeze(-1);
        var means = expected.Read("hidden_3").mul(mask).sum(1).div(mask.sum(1));
        var texts = XlmrData.Read(Path.Combine(folder, "cases.json")).Where(c => c.Ids.Length > 5).Take(6).Select(c => c.Text).ToArray();
        foreach (var (vector, i) in step.Embed(texts).Select((v, i) => (v, i)))
            TensorAssert.Close(means[i], tensor(vector), 1e-4, $"row {i}");
    }

    private static string Refused(Action action) => Assert.Throws<ArgumentException>(action).Message;

    private static void Close(float[] expected, float[] actual, double tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance, $"{i}");
    }

    private static double Distance(float[] one, float[] other) => Math.Sqrt(one.Zip(other, (a, b) => Math.Pow(a - b, 2)).Sum());

    private static (float[] Weight, float[] Bias) Projection(LoraTextTransformer model) => (
        model.Model.State.Tensors[$"{RobertaNames.HeadProjection}.weight"].data<float>().ToArray(), model.Model.State.Tensors[$"{RobertaNames.HeadProjection}.bias"].data<float>().ToArray());

    /// <summary>By the model that trains.</summary>
    private static float[] Reference(string text, SentencePooling pooling)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var model = new RobertaClassifier(weights, 1, LoraInit.Training.HeadInitializer.Create(files.Config, 1, 0, CPU));
        var encoded = files.OpenTokenizer().Encode(text, null, files.Config.MaxLength);
        var states = model.Encode(BatchBuilder.Build([encoded], [0], files.Config.PadTokenId, CPU), ForwardContext.Inference)[0];
        return [.. (pooling == SentencePooling.Mean ? states.mean([0L]) : states[0]).data<float>()];
    }
}
