using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Adapters.Fusion;
using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Training;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>AdapterFusion as users meet it: sources from models and files, what a fused model does, and what it refuses.</summary>
[TestClass]
public sealed class AdapterFusionTests
{
    private static readonly Lazy<LoraTextTransformer> LazyTopics = new(() => TrainedModels.Step(Fit(FineTuningMethod.Pfeiffer(8))));

    private static readonly Lazy<LoraTextTransformer> LazySport = new(() =>
    {
        var ml = Topics.Context();
        return ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Pfeiffer(8), 1))).Fit(Topics.View(ml));
    });

    private static readonly Lazy<ITransformer> LazyFused = new(() => Fit(Method));

    private static FineTuningMethod Method => FineTuningMethod.AdapterFusion(LazyTopics.Value.ToFusionSource("topics"), LazySport.Value.ToFusionSource("sport"));

    [TestMethod]
    public void SourcesFromFilesAreThoseFromModels()
    {
        using var folder = new TemporaryFolder();
        Save(LazyTopics.Value, folder.File("topics.mlnet"));
        Save(LazySport.Value, folder.File("s.mlnet"));
        var method = FineTuningMethod.Parse($"fusion:sources={folder.File("topics.mlnet")}+sport={folder.File("s.mlnet")}");
        using var fused = (IDisposable)Fit(method);
        Assert.AreEqual(TrainedModels.Step(LazyFused.Value).Method, TrainedModels.Step((ITransformer)fused).Method);
        CollectionAssert.AreEqual(Bits(LazyFused.Value), Bits((ITransformer)fused));
    }

    [TestMethod]
    public void AnotherProcessGivesTheSameScoresBitForBit()
    {
        using var folder = new TemporaryFolder();
        Save(LazyFused.Value, folder.File("model.mlnet"));
        var (exitCode, error) = ChildProcess.Score(folder.File("model.mlnet"), Topics.WriteTsv(folder.Path), folder.File("scores"));
        Assert.AreEqual(0, exitCode, error);
        CollectionAssert.AreEqual(Bits(LazyFused.Value), File.ReadAllLines(folder.File("scores")));
    }

    [TestMethod]
    public void AFusedModelSaysWhatItWasMadeOf()
    {
        using var stream = new MemoryStream();
        Topics.Context().Model.Save(LazyFused.Value, null, stream);
        using var loaded = (IDisposable)Topics.Context().Model.Load(stream, out _);
        var method = (AdapterFusionMethod)((ITransformer)loaded).Lora().Method;
        CollectionAssert.AreEqual(new[] { "topics", "sport" }, method.Sources.Select(s => s.Name).ToArray());
        Assert.AreEqual(LazySport.Value.ToFusionSource("sport").Sha256, method.Sources[1].Sha256);
        Assert.AreEqual(LazyFused.Value.Lora().Method, method);
    }

    [TestMethod]
    public void SingleRowsScoreAsBatchesDo()
    {
        var ml = Topics.Context();
        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(LazyFused.Value, new PredictionEngineOptions { OwnsTransformer = false });
        var rows = ml.Data.CreateEnumerable<Topics.Prediction>(LazyFused.Value.Transform(Topics.View(ml)), reuseRowObject: false).ToArray();
        for (int i = 0; i < 10; i++)
            CollectionAssert.AreEqual(rows[i].Score, engine.Predict(Topics.Rows[i]).Score);
    }

    [TestMethod]
    [DataRow("bf16", 0.03)]
    [DataRow("int8", 0.1)]
    public void OtherPrecisionsScoreNearly(string kind, double tolerance)
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(LazyFused.Value, null, stream);
        using var loaded = (IDisposable)ml.Model.Load(stream, out _);
        var model = (ITransformer)loaded;
        float[][] Scores() => [.. model.Transform(Topics.View(ml)).GetColumn<float[]>("Score")];
        var expected = Scores();
        model.Lora().Scoring = kind == "int8" ? new() { Int8 = true } : new() { Precision = Precision.BFloat16 };
        Assert.IsTrue(expected.Zip(Scores(), (e, a) => e.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max() is > 0 and var most && most < tolerance, kind);
    }

    [TestMethod]
    public void WhatNeedsPlainWeightsIsRefused()
    {
        using var folder = new TemporaryFolder();
        var model = LazyFused.Value.Lora();
        Refused(() => model.SaveMergedModel(folder.File("merged")), ".mlnet");
        Refused(() => model.SavePeftAdapter(folder.File("peft")), ".mlnet");
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        Refused(() => library.Add("fused", model), "Serve the model by itself");
        Assert.AreEqual(0, Directory.GetFileSystemEntries(folder.Path).Length);

        static void Refused(Action action, string advice)
        {
            var error = Assert.ThrowsExactly<NotSupportedException>(action);
            StringAssert.Contains(error.Message, "'fusion'");
            StringAssert.Contains(error.Message, advice);
        }
    }

    [TestMethod]
    public void ItsTokensAreExplained()
    {
        var explanation = LazyFused.Value.Lora().Explain(Topics.Rows[0].Text);
        Assert.IsTrue(explanation.Tokens.Count > 3);
    }

    [TestMethod]
    public void TheSharesOfItsSourcesAreTold()
    {
        var model = LazyFused.Value.Lora();
        var shares = model.FusionShares(Topics.Rows[0].Text);
        CollectionAssert.AreEqual(new[] { "0 topics", "0 sport", "1 topics", "1 sport" }, shares.Take(4).Select(s => $"{s.Layer} {s.Source}").ToArray());
        foreach (var layer in shares.GroupBy(s => s.Layer))
            Assert.AreEqual(1, layer.Sum(s => s.Share), 1e-5);
        Assert.AreEqual(8, shares.Count);
        CollectionAssert.AreNotEqual(shares.ToArray(), model.FusionShares(Topics.Rows[1].Text).ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => LazyTopics.Value.FusionShares("a")).Message, "'pfeiffer'");
        Assert.ThrowsExactly<ArgumentException>(() => model.FusionShares("a", "b"));
    }

    [TestMethod]
    public void SourcesThatDoNotGoTogetherAreNamed()
    {
        var first = Fusions.Source(ToyRun.Base, "first", 1, 0.02, new PfeifferMethod(8));
        Refused("one source, 'first'", first);
        Refused("'second' has bottlenecks of size 4 and 'first' of size 8", first, Fusions.Source(ToyRun.Base, "second", 1, 0.02, new PfeifferMethod(4)));
        Refused("'second' has its first bottleneck in layer 1", first, Fusions.Source(ToyRun.Base, "second", 1, 0.02, new PfeifferMethod(8, skip: 1)));
        Refused("'s0' was trained on the base 'tiny'", [.. Fusions.Tiny(1, 2).Sources]);
        Refused("known by its name alone", first, ((AdapterFusionMethod)LazyFused.Value.Lora().Method).Sources[0]);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningMethod.AdapterFusion(first, first)).Message, "two sources have the name 'first'", StringComparison.OrdinalIgnoreCase);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Fit(FineTuningMethod.Parse("fusion"))).Message, "no sources");
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => TrainedModels.Multiclass.ToFusionSource("lora")).Message, "'lora' was trained by the method 'lora'");

        static void Refused(string expected, params FusionSource[] sources) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Fit(FineTuningMethod.AdapterFusion(sources))).Message, expected);
    }

    [TestMethod]
    public void FilesThatAreNoSourcesAreNamedBeforeAnythingIsRead()
    {
        using var folder = new TemporaryFolder();
        Save(TrainedModels.Multiclass, folder.File("lora.mlnet"));
        Save(LazyTopics.Value, folder.File("topics.mlnet"));
        var ml = Topics.Context();
        Refused<ArgumentException>("missing.mlnet", "missing.mlnet");
        Refused<NotSupportedException>("lora.mlnet", "'lora' was trained by the method 'lora'");

        void Refused<T>(string file, string expected)
            where T : Exception => StringAssert.Contains(Assert.ThrowsExactly<T>(() => ml.MulticlassClassification.Trainers.LoraTextClassification(
                Topics.Options(o => o.Method = FineTuningMethod.AdapterFusion(folder.File("topics.mlnet"), folder.File(file))))).Message, expected);
    }

    [TestMethod]
    public void TheBaseIsHeldAsTheSourcesHadIt()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Fit(Method, o => o.BaseQuantization = BaseQuantization.Nf4));
        StringAssert.Contains(error.Message, "BaseQuantization = None, and the training has Nf4");
    }

    [TestMethod]
    public void ASessionReadsSourcesToo()
    {
        using var folder = new TemporaryFolder();
        Save(LazyTopics.Value, folder.File("topics.mlnet"));
        Save(LazySport.Value, folder.File("sport.mlnet"));
        var ml = Topics.Context();
        using var session = new LoraTrainingSession(ml, RobertaCheckpoint.Mini);
        var options = Topics.Options(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.AdapterFusion(folder.File("topics.mlnet"), folder.File("sport.mlnet")), 1));
        session.Check(options.Method);
        var rows = session.Prepare(ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(ml)).Transform(Topics.View(ml)), null, options);
        Assert.AreEqual(LazyFused.Value.Lora().History.Epochs[0].TrainLoss, session.Train(rows, options).Epochs[0].TrainLoss, 1e-9);
    }

    private static ITransformer Fit(FineTuningMethod method, Action<LoraTextClassificationTrainer.Options>? change = null)
    {
        var ml = Topics.Context();
        return Topics.Pipeline(ml, Topics.Options(o =>
        {
            (o.Method, o.MaxEpochs) = (method, 1);
            change?.Invoke(o);
        })).Fit(Topics.View(ml));
    }

    private static void Save(ITransformer model, string path) => Topics.Context().Model.Save(model, null, path);

    private static string[] Bits(ITransformer model) => TrainedModels.ScoreBits(model.Transform(Topics.View(Topics.Context())));
}
