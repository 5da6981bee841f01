using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Training;
namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>Several trainings over one base and the same rows: equal to what Fit does, and refused where rows and options differ.</summary>
[TestClass]
public class LoraTrainingSessionTests
{
    private static readonly MLContext Ml = Topics.Context();
    private static readonly IDataView Keyed = Ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(Ml)).Transform(Topics.View(Ml));
    private static readonly LoraTrainingSession Session = new(Ml, RobertaCheckpoint.Mini);
    private static readonly Lazy<PreparedRows> Rows = new(() => Session.Prepare(Keyed, Keyed, Topics.Options()));

    [ClassCleanup]
    public static void Free() => Session.Dispose();

    [TestMethod]
    public void ATrainingIsTheOneThatFitDoes()
    {
        var options = Topics.Options(o => { o.MaxEpochs = 1; o.ClassWeights = ClassWeights.Balanced; });
        using var fitted = Ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => { o.MaxEpochs = 1; o.ClassWeights = ClassWeights.Balanced; o.ValidationData = Keyed; })).Fit(Keyed);

        var history = Session.Train(Rows.Value, options);

        Assert.AreEqual(fitted.History.Epochs[0].TrainLoss, history.Epochs[0].TrainLoss);
        Assert.AreEqual(fitted.History.Epochs[0].Metrics, history.Epochs[0].Metrics);
        Assert.AreEqual(fitted.BaseModelSha256, Session.BaseModelSha256);
        Assert.AreEqual((Topics.Rows.Count, Topics.Rows.Count), (Rows.Value.TrainCount, Rows.Value.ValidationCount));
    }

    [TestMethod]
    public void RunsAtTheSameTimeDoNotDisturbEachOther()
    {
        var losses = new double[3];
        Parallel.For(0, losses.Length, i => losses[i] = Session.Train(Rows.Value, Topics.Options(o => { o.MaxEpochs = 1; o.Seed = i / 2; })).Epochs[0].TrainLoss);

        Assert.AreEqual(losses[0], losses[1]);
        Assert.AreNotEqual(losses[0], losses[2]);
    }

    [TestMethod]
    public void TheAdapterIsWrittenAsATrainedModelWritesIt()
    {
        using var folder = new TemporaryFolder();
        using var fitted = Ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => { o.MaxEpochs = 1; o.ValidationData = Keyed; })).Fit(Keyed);
        fitted.SavePeftAdapter(folder.File("fitted"));

        Session.Train(Rows.Value, Topics.Options(o => o.MaxEpochs = 1), folder.File("trained"));

        foreach (var file in new[] { "adapter_config.json", "adapter_model.safetensors" })
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(folder.File("fitted"), file)), File.ReadAllBytes(Path.Combine(folder.File("trained"), file)), file);
    }

    [TestMethod]
    [DataRow("bitfit", "kaiming", "'bitfit'")]
    [DataRow("lora", "loftq", "'loftq'")]
    [DataRow("lora", "cloq", "'cloq'")]
    public void AnAdapterThatCannotBeWrittenIsRefusedBeforeTheTraining(string method, string start, string expected)
    {
        using var folder = new TemporaryFolder();
        var rows = Rows.Value;
        var options = Topics.Options(o => (o.Method, o.Initialization, o.CancellationToken) = (FineTuningMethod.Parse(method), LoraInitialization.Parse(start), new(canceled: true)));
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Session.Train(rows, options, folder.File("adapter"))).Message, expected);
        Assert.ThrowsExactly<DirectoryNotFoundException>(() => Session.Train(rows, Topics.Options(o => o.CancellationToken = new(canceled: true)), Path.Combine(folder.File("no"), "adapter")));
    }

    [TestMethod]
    public void TheBasesShapeIsToldAndMethodsAreCheckedAgainstIt()
    {
        Assert.AreEqual(RobertaCheckpoint.Mini.ReadShape(), Session.Shape);
        Session.Check(FineTuningMethod.Pfeiffer(skip: Session.Shape.Layers - 1));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Check(FineTuningMethod.Pfeiffer(skip: Session.Shape.Layers))).Message, "skip");
    }

    [TestMethod]
    public void OptionsAreCheckedAgainstBaseAndRowsWithoutATraining()
    {
        Session.Check(Rows.Value, Topics.Options());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Check(Rows.Value, Topics.Options(o => o.Rank = 300))).Message, "Rank = 300");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Check(Rows.Value, Topics.Options(o => o.RankPattern = new Dictionary<string, int> { ["nosuch"] = 4 }))).Message, "nosuch");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Check(Rows.Value, Topics.Regression())).Message, "prepared for labels");
    }

    [TestMethod]
    public void ABaseThatCouldNotBeReadOnceIsReadAgain()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(MiniFolder.Create(folder), "model.safetensors");
        var (written, content) = (File.GetLastWriteTimeUtc(path), File.ReadAllBytes(path));
        using var session = new LoraTrainingSession(Ml, RobertaCheckpoint.FromDirectory(Path.GetDirectoryName(path)!));
        var rows = session.Prepare(Keyed, null, Topics.Options());
        Write([.. content.Select(_ => (byte)255)]); // all of them NaN
        Assert.ThrowsExactly<InvalidDataException>(() => session.Train(rows, Topics.Options(o => o.MaxEpochs = 1)));
        Write(content);
        Assert.AreEqual(1, session.Train(rows, Topics.Options(o => o.MaxEpochs = 1)).Epochs.Count);

        void Write(byte[] bytes)
        {
            File.WriteAllBytes(path, bytes);
            File.SetLastWriteTimeUtc(path, written);
        }
    }

    [TestMethod]
    public void ASessionThatIsDisposedOfDuringATrainingIsFreedAfterIt()
    {
        var session = new LoraTrainingSession(Ml, RobertaCheckpoint.Mini);
        var rows = session.Prepare(Keyed, null, Topics.Options());
        var history = session.Train(rows, Topics.Options(o => (o.MaxEpochs, o.Progress) = (1, new Callback(_ => session.Dispose()))));
        Assert.AreEqual(1, history.Epochs.Count);
        Assert.ThrowsExactly<ObjectDisposedException>(() => session.Train(rows, Topics.Options()));
        Assert.ThrowsExactly<ObjectDisposedException>(() => session.Prepare(Keyed, null, Topics.Options()));
        Assert.ThrowsExactly<ObjectDisposedException>(() => session.Check(rows, Topics.Options()));
    }

    [TestMethod]
    public void OptionsOfAnotherTrainerAreRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Train(Rows.Value, Topics.Regression())).Message, "prepared for labels of the kind Key");

    [TestMethod]
    public void AnotherLengthThanThatOfTheRowsIsRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Train(Rows.Value, Topics.Options(o => o.MaxLength = 16))).Message, "MaxLength = 16");

    [TestMethod]
    public void ValidationRowsBelongToTheRows() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Session.Train(Rows.Value, Topics.Options(o => o.ValidationFraction = 0.2))).Message, "Prepare");

    [TestMethod]
    public void AMissingColumnIsNamedBeforeAnyTraining() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Session.Prepare(Keyed, null, Topics.Options(o => o.TextColumnName = "Review"))).Message, "'Review'");
}
