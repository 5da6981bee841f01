using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Export;

/// <summary>Adapters into pipelines and out of them, on the mini model.</summary>
[TestClass]
public sealed class PeftAdapterTests
{
    internal static readonly string Adapter = Path.Combine(ParityData.Embedded, "peft_lora");

    private static readonly string[] Labels = ["food", "sport", "weather"];

    [TestMethod]
    public void AnAdapterPredictsAtOnceAndSurvivesSaving()
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        using var model = PeftAdapter.Load(Adapter, Options());
        Assert.IsInstanceOfType<LoraTextClassificationTransformer>(model);
        var view = Topics.View(ml);
        var scored = model.Transform(view);
        var scores = scored.GetColumn<float[]>("Score").ToArray();
        Assert.AreEqual(Topics.Rows.Count, scores.Length);
        Assert.IsTrue(scores.All(s => s.Length == 3 && Math.Abs(s.Sum() - 1) < 1e-5));
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(Labels, names.DenseValues().Select(n => n.ToString()).ToArray());
        Close(Reference(Topics.Rows[0].Text), scores[0]);

        ml.Model.Save(model, view.Schema, folder.File("m.mlnet"));
        using var loaded = (LoraTextTransformer)ml.Model.Load(folder.File("m.mlnet"), out _);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(scored), TrainedModels.ScoreBits(loaded.Transform(view)));
    }

    [TestMethod]
    public void AModelGoesToPeftAndBack()
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        var trained = TrainedModels.Step(TrainedModels.Multiclass);
        var export = trained.SavePeftAdapter(folder.File("adapter"));
        Assert.IsTrue(export.IsExact && export.RelativeError == 0);
        Assert.AreEqual(folder.File("adapter"), export.Folder);
        Assert.AreEqual(8, export.Layers.Count, "query and value of four layers");

        var info = PeftAdapter.Inspect(folder.File("adapter"));
        Assert.AreEqual("mini", info.BaseModel);
        Assert.AreEqual(3, info.Outputs);
        CollectionAssert.AreEqual(export.Layers.Select(l => (l.Module, l.Rank)).Order().ToArray(), info.Modules.Order().ToArray());

        // The base is found by the name that was written.
        using var again = PeftAdapter.Load(folder.File("adapter"), new() { Labels = Labels });
        var view = Topics.View(ml);
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(trained.Transform(keyed)), TrainedModels.ScoreBits(again.Transform(keyed)));
    }

    [TestMethod]
    public void ACorrectedBaseConvertsAndCompresses()
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        var options = Topics.Binary(o => (o.Initialization, o.MaxEpochs) = (LoraInitialization.Pissa(), 1));
        using var trained = ml.BinaryClassification.Trainers.LoraTextClassification(options).Fit(Topics.View(ml));

        var exact = trained.SavePeftAdapter(folder.File("exact"));
        var small = trained.SavePeftAdapter(folder.File("small"), rank: 4);

        Assert.IsTrue(exact.IsExact && exact.Layers.All(l => (l.TrainedRank, l.Rank, l.Alpha, l.RelativeError) == (8, 16, 32.0, 0.0)));
        Assert.IsTrue(!small.IsExact && small.Layers.All(l => l.Rank == 4) && small.RelativeError is > 0 and < 1);
        using var loaded = PeftAdapter.Load(folder.File("exact"), new() { Task = PeftTask.Binary });
        Assert.IsInstanceOfType<LoraBinaryTextClassificationTransformer>(loaded);
        var (expected, actual) = (Scores(trained, ml), Scores(loaded, ml));
        Assert.IsTrue(expected.Zip(actual).All(p => Math.Abs(p.First - p.Second) < 1e-4), "the scores are the trained model's");
    }

    [TestMethod]
    public void AnAdapterOfABaseInFourBitsSaysSo()
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        using var trained = ml.BinaryClassification.Trainers.LoraTextClassification(
            Topics.Binary(o => (o.BaseQuantization, o.MaxEpochs) = (BaseQuantization.Nf4, 1))).Fit(Topics.View(ml, Topics.Rows.Take(16)));
        Assert.IsTrue(trained.SavePeftAdapter(folder.File("adapter")).NeedsQuantizedBase);
        using var loaded = PeftAdapter.Load(folder.File("adapter"), new() { Task = PeftTask.Binary });
        Assert.IsFalse(loaded.SavePeftAdapter(folder.File("again")).NeedsQuantizedBase);
        Assert.IsTrue(Scores(trained, ml).Zip(Scores(loaded, ml)).Any(p => Math.Abs(p.First - p.Second) > 1e-4), "the unquantised base gives other scores");
    }

    [TestMethod]
    public void TwoLogitsBecomeOneForBinary()
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        CopyAdapter(folder.File("two"), (name, value) => name.Contains("out_proj", StringComparison.Ordinal) ? value.narrow(0, 0, 2) : value);
        using var two = PeftAdapter.Load(folder.File("two"), Options(o => o.Labels = ["no", "yes"]));
        using var one = PeftAdapter.Load(folder.File("two"), Options(o => (o.Labels, o.Task) = (null, PeftTask.Binary)));
        var view = Topics.View(ml);
        var expected = two.Transform(view).GetColumn<float[]>("Score").Select(s => s[1]).ToArray();
        var actual = one.Transform(view).GetColumn<float>("Probability").ToArray();
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5);
    }

    [TestMethod]
    public void TheMergedModelIsAPlainRoberta()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = PeftAdapter.Load(Adapter, Options());
        model.SaveMergedModel(folder.File("merged"));

        using var files = RobertaCheckpoint.FromDirectory(folder.File("merged")).Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var head = files.LoadTensors(n => n.StartsWith("classifier.", StringComparison.Ordinal), CPU, ScalarType.Float32);
        using var plain = new RobertaClassifier(weights, 3, head);
        Close(Reference(Topics.Rows[0].Text), Softmax(plain, files, Topics.Rows[0].Text));

        var config = System.Text.Json.Nodes.JsonNode.Parse(files.ConfigJson)!;
        CollectionAssert.AreEqual(Labels, config["id2label"]!.AsObject().Select(l => (string)l.Value!).ToArray());
        Assert.AreEqual(2, (int)config["label2id"]!["weather"]!);
        Assert.AreEqual("RobertaForSequenceClassification", (string)config["architectures"]![0]!);
        foreach (var name in new[] { "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json" })
            Assert.IsTrue(new FileInfo(Path.Combine(folder.File("merged"), name)).Length > 0, name);
        Assert.ThrowsExactly<IOException>(() => model.SaveMergedModel(folder.File("merged")));
    }

    [TestMethod]
    public void TrainingGoesOnFromAnAdapter()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml);
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        using var start = PeftAdapter.Load(Adapter, Options());
        var expected = start.Transform(view).GetColumn<float[]>("Score").ToArray();

        using var barely = Fit(Adapter, 1e-9);
        var actual = barely.Transform(keyed).GetColumn<float[]>("Score").ToArray();
        for (int i = 0; i < expected.Length; i++)
            for (int c = 0; c < 3; c++)
                Assert.AreEqual(expected[i][c], actual[i][c], 1e-4);
        Assert.IsNull(barely.Initialization);
        Assert.AreEqual(16.0, (double)barely.FineTuning["adapters"]![0]!["alpha"]!);

        using var folder = new TemporaryFolder();
        CopyAdapter(folder.File("headless"), (name, value) => name.Contains("classifier", StringComparison.Ordinal) ? null : value);
        using var headless = Fit(folder.File("headless"), 1e-9);
        var fresh = headless.Transform(keyed).GetColumn<float[]>("Score").First();
        Assert.IsTrue(fresh.Zip(expected[0]).Any(p => Math.Abs(p.First - p.Second) > 1e-3), "the head is a fresh one");

        LoraTextTransformer Fit(string adapter, double rate) => ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.InitialAdapter, o.MaxEpochs, o.InitialLearningRate) = (adapter, 1, rate))).Fit(keyed);
    }

    [TestMethod]
    public void OptionsThatTheInitialAdapterDecidesAreRefused()
    {
        var ml = Topics.Context();
        void Fails(string named, Action<LoraTextClassificationTrainer.Options> change)
        {
            var error = Assert.ThrowsExactly<ArgumentException>(() => ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o =>
            {
                o.InitialAdapter = Adapter;
                change(o);
            })));
            StringAssert.Contains(error.Message, named);
        }
        Fails("Rank", o => o.Rank = 4);
        Fails("Initialization", o => o.Initialization = LoraInitialization.Pissa());
        Fails("TargetModules", o => o.TargetModules = TargetModules.AllLinear);
        Fails("Method", o => o.Method = FineTuningMethod.HeadOnly());
        Fails("InitialAdapter", o => o.InitialAdapter = " ");
    }

    [TestMethod]
    public void OptionsThatDoNotFitTheAdapterAreRefused()
    {
        void Fails<T>(string named, Action<PeftAdapterOptions> change)
            where T : Exception
        {
            var error = Assert.ThrowsExactly<T>(() => PeftAdapter.Load(Adapter, Options(change)).Dispose());
            StringAssert.Contains(error.Message, named);
        }
        Fails<ArgumentException>("2 Labels", o => o.Labels = ["a", "b"]);
        Fails<ArgumentException>("Labels", o => o.Labels = ["a", "b", "b"]);
        Fails<ArgumentException>("Binary", o => o.Task = PeftTask.Binary);
        Fails<ArgumentException>("Regression", o => o.Task = PeftTask.Regression);
        Fails<ArgumentException>("MaxLength", o => o.MaxLength = 4);
        Fails<ArgumentException>("MaxLength", o => o.MaxLength = 100_000);
        Fails<ArgumentException>("empty", o => o.TextColumnName = "");
        using var folder = new TemporaryFolder();
        CopyAdapter(folder.File("headless"), (name, value) => name.Contains("classifier", StringComparison.Ordinal) ? null : value);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => PeftAdapter.Load(folder.File("headless"), Options()).Dispose());
        StringAssert.Contains(error.Message, "InitialAdapter");
    }

    private static PeftAdapterOptions Options(Action<PeftAdapterOptions>? change = null)
    {
        var options = new PeftAdapterOptions { BaseModel = RobertaCheckpoint.Mini, Labels = Labels };
        change?.Invoke(options);
        return options;
    }

    private static float[] Scores(LoraTextTransformer model, MLContext ml) => [.. model.Transform(Topics.View(ml)).GetColumn<float>("Score")];

    /// <summary>The probabilities by the model with its adapter beside the base, not merged.</summary>
    private static float[] Reference(string text)
    {
        using var scope = NewDisposeScope();
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var adapter = PeftFolder.Open(Adapter);
        using var state = adapter.Read(files.Config).ToState(files.Identity, files.Config);
        using var model = state.Rebuild(weights);
        return Softmax(model, files, text);
    }

    private static float[] Softmax(RobertaClassifier model, CheckpointFiles files, string text)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var encoded = files.OpenTokenizer().Encode(text, null, files.Config.MaxLength);
        var logits = model.forward(BatchBuilder.Build([encoded], [0], files.Config.PadTokenId, CPU), ForwardContext.Inference);
        return [.. logits.softmax(1).data<float>()];
    }

    private static void Close(float[] expected, float[] actual)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5);
    }

    private static void CopyAdapter(string folder, Func<string, Tensor, Tensor?> change)
    {
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(Adapter, PeftNames.Config), Path.Combine(folder, PeftNames.Config));
        using var file = SafetensorsFile.Open(Path.Combine(Adapter, PeftNames.Weights));
        var tensors = file.Names.Select(n => (Name: n, Value: change(n, file.Read(n)))).Where(t => t.Value is not null);
        SafetensorsWriter.Write(Path.Combine(folder, PeftNames.Weights), tensors.Select(t => KeyValuePair.Create(t.Name, t.Value!)));
    }
}
