using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Samples.Inspection;
using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Samples;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>
/// A strategy from elsewhere, registered and trained from in a process of its own; what that saves is read here, where it is not
/// registered, and in a process that does not even have the type.
/// </summary>
[TestClass]
public sealed class OwnStrategyTests
{
    private const string Stored = """{"name":"scaled-start","scale":0.25,"sign":"minus","draw":7,"unused":[1,2]}""";

    private static readonly LoraInitialization Own = new ScaledStart { Scale = 0.25, Sign = StartSign.Minus, Draw = 7 };

    private static readonly TemporaryFolder Elsewhere = new();

    [ClassInitialize]
    public static void TrainElsewhere(TestContext context)
    {
        using var process = TestProcess.Start<OwnStrategyTests>(Elsewhere.Path);
        var error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, error.Result);
    }

    [ClassCleanup]
    public static void Clean() => Elsewhere.Dispose();

    /// <summary>What the other process does.</summary>
    internal static void Child(string[] args)
    {
        string File(string name) => Path.Combine(args[0], name);
        var before = LoraInitialization.Names;
        Parallel.For(0, 16, _ => { LoraInitialization.Register<ScaledStart>(); _ = LoraInitialization.Names.Count; });
        var parsed = LoraInitialization.Parse("scaled-start:scale=0.25,sign=minus,draw=7");
        System.IO.File.WriteAllLines(File("registered"),
        [
            string.Join(' ', LoraInitialization.Names.Except(before)),
            $"{LoraInitialization.Names.Count - before.Count}",
            parsed.ToJson().ToJsonString(),
            LoraInitialization.FromJson(JsonNode.Parse("""{"name":"scaled-start","sign":"minus"}""")!.AsObject()).ToJson().ToJsonString(),
            Assert.ThrowsExactly<InvalidOperationException>(LoraInitialization.Register<SameName>).Message,
            Assert.ThrowsExactly<ArgumentException>(() => LoraInitialization.Parse("scaled-start:size=1")).Message,
        ]);

        var ml = Topics.Context();
        using var model = Topics.Pipeline(ml, Topics.Options(o => o.Initialization = parsed)).Fit(Topics.View(ml));
        ml.Model.Save(model, Topics.View(ml).Schema, File("model.mlnet"));
        System.IO.File.WriteAllLines(File("scores"), TrainedModels.ScoreBits(model.Transform(Topics.View(ml))));
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        library.Add("own", model);
        library.Save(File("library"));
        System.IO.File.WriteAllText(File("library-score"), LibraryScore(library));
        var report = InitializationInspector.Inspect(new() { Training = new LoraTextClassificationTrainer.Options { Initialization = parsed } });
        System.IO.File.WriteAllText(File("report.json"), InspectionJson.Write(report));
    }

    [TestMethod]
    public void RegistrationMakesTheNameKnownOnceAndForOneType()
    {
        var lines = File.ReadAllLines(Elsewhere.File("registered"));

        CollectionAssert.AreEqual(
            new[] { "scaled-start", "1", Stored, """{"name":"scaled-start","scale":0.1,"sign":"minus","draw":null,"unused":[1,2]}""" },
            lines[..4]);
        StringAssert.Contains(lines[4], nameof(SameName));
        StringAssert.Contains(lines[4], nameof(ScaledStart));
        StringAssert.Contains(lines[5], "scale, sign, draw, unused");
    }

    [TestMethod]
    public void WithoutItsStrategyAModelLoadsScoresAndSavesAsItWas()
    {
        var ml = Topics.Context();
        using var model = (IDisposable)ml.Model.Load(Elsewhere.File("model.mlnet"), out _);
        var step = TrainedModels.Step((ITransformer)model);
        AssertUnknown(step.Initialization);
        CollectionAssert.AreEqual(File.ReadAllLines(Elsewhere.File("scores")), TrainedModels.ScoreBits(((ITransformer)model).Transform(Topics.View(ml))));

        using var folder = new TemporaryFolder();
        ml.Model.Save((ITransformer)model, null, folder.File("again.mlnet"));
        using var again = (IDisposable)ml.Model.Load(folder.File("again.mlnet"), out _);
        Assert.AreEqual(step.FineTuning.ToJsonString(), TrainedModels.Step((ITransformer)again).FineTuning.ToJsonString());
        Assert.AreEqual(step.Initialization, TrainedModels.Step((ITransformer)again).Initialization);
    }

    [TestMethod]
    public void AProcessWithoutTheTypeScoresTheSame()
    {
        using var folder = new TemporaryFolder();
        var (code, error) = ChildProcess.Score(Elsewhere.File("model.mlnet"), Topics.WriteTsv(folder.Path), folder.File("scores"));

        Assert.AreEqual(0, code, error);
        CollectionAssert.AreEqual(File.ReadAllLines(Elsewhere.File("scores")), File.ReadAllLines(folder.File("scores")));
    }

    // A library holds every adapter in LoRA's plain form, whatever it started from.
    [TestMethod]
    public void ALibraryLoadsScoresAndSavesAsItWas()
    {
        using var folder = new TemporaryFolder();
        using var library = AdapterLibrary.Load(Elsewhere.File("library"));
        Assert.AreEqual(File.ReadAllText(Elsewhere.File("library-score")), LibraryScore(library));

        library.Save(folder.File("again"));
        Assert.AreEqual(File.ReadAllText(Path.Combine(Elsewhere.File("library"), "library.json")), File.ReadAllText(Path.Combine(folder.File("again"), "library.json")));
    }

    [TestMethod]
    public async Task InformationAndReportsNameIt()
    {
        var info = await CommandLineRun.InProcess("adapter", "info", "--model", Elsewhere.File("model.mlnet"));
        Assert.AreEqual(0, info.ExitCode, string.Join('\n', info.Errors));
        StringAssert.Contains(info.Output, "scaled-start (scale=0.25, sign=minus, draw=7, ");

        var report = JsonNode.Parse(File.ReadAllText(Elsewhere.File("report.json")))!;
        Assert.AreEqual(Stored, report["initialization"]!.ToJsonString());
        AssertUnknown(LoraInitialization.FromJson(report["initialization"]!.AsObject()));
    }

    [TestMethod]
    public void ARunGoesOnFromItsCheckpointWithoutTheStrategy()
    {
        using var folder = new TemporaryFolder();
        FineTuningRequest Request(LoraInitialization start, string? checkpoints) => ToyRun.Request(
            o => (o.Initialization, o.CheckpointDirectory, o.CheckpointEverySteps) = (start, checkpoints, checkpoints is null ? null : 2), task: new MulticlassTask(3));
        using var whole = FineTuningRun.Execute(Request(Own, null));
        Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Request(Own, folder.Path) with { OnStep = step => { if (step == 5) throw new TimeoutException(); } }));

        var unknown = LoraInitialization.FromJson(JsonNode.Parse(Stored)!.AsObject());
        using var resumed = FineTuningRun.Execute(Request(unknown, folder.Path));

        foreach (var (name, tensor) in whole.State.Tensors)
            CollectionAssert.AreEqual(tensor.data<float>().ToArray(), resumed.State.Tensors[name].data<float>().ToArray(), name);
        Assert.AreEqual(DescriptionJson.Of(whole.State).ToJsonString(), DescriptionJson.Of(resumed.State).ToJsonString());
    }

    [TestMethod]
    public void WhereItWouldHaveToRunItIsRefusedByName()
    {
        var unknown = LoraInitialization.FromJson(JsonNode.Parse(Stored)!.AsObject());
        var ml = Topics.Context();
        var early = Assert.ThrowsExactly<ArgumentException>(() => Topics.Pipeline(ml, Topics.Options(o => o.Initialization = unknown)).Fit(Topics.View(ml)));
        var late = Assert.ThrowsExactly<InvalidOperationException>(() => unknown.Initialize(FakeContext.Random([])));
        foreach (var message in new[] { early.Message, late.Message })
            StringAssert.Contains(message, "'scaled-start': call LoraInitialization.Register");
    }

    [TestMethod]
    public void WhatCouldNotComeBackFromAFileIsRefused()
    {
        (Action Register, string Mention)[] bad =
        [
            (LoraInitialization.Register<NamedWrongly>, "lower-case"),
            (LoraInitialization.Register<NamedAll>, "'all'"),
            (LoraInitialization.Register<WithoutInit>, "WithoutInit.Size"),
            (LoraInitialization.Register<PrivatelySet>, "PrivatelySet.Size"),
            (LoraInitialization.Register<NotStorable>, "cannot be stored"),
            (LoraInitialization.Register<NotTheSame>, "not the same"),
        ];
        foreach (var (register, mention) in bad)
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(register).Message, mention);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(LoraInitialization.Register<NamedAsAnother>).Message, nameof(PissaInitialization));
        LoraInitialization.Register<PissaInitialization>();
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => LoraInitialization.FromJson([])).Message, "no 'name'");
    }

    private static string LibraryScore(AdapterLibrary library) => string.Join(' ', library.Predict("own", "The striker scored.").Score.Select(BitConverter.SingleToUInt32Bits));

    private static void AssertUnknown(LoraInitialization? found)
    {
        Assert.IsInstanceOfType<UnknownInitialization>(found);
        Assert.AreEqual("scaled-start", found.Name);
        Assert.AreEqual(InitializationFamily.Unknown, found.Family);
        Assert.AreEqual(Stored, found.ToJson().ToJsonString());
    }

    public abstract record Bare : LoraInitialization
    {
        public override string Name => "bare";

        public override InitializationFamily Family => InitializationFamily.BaseUntouched;

        public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => [];
    }

    public sealed record SameName : Bare
    {
        public override string Name => "scaled-start";
    }

    public sealed record NamedAsAnother : Bare
    {
        public override string Name => "pissa";
    }

    public sealed record NamedWrongly : Bare
    {
        public override string Name => "My:Start";
    }

    public sealed record NamedAll : Bare
    {
        public override string Name => "all";
    }

    public sealed record WithoutInit : Bare
    {
        public int Size { get; } = 3;
    }

    public sealed record PrivatelySet : Bare
    {
        public int Size { get; private set; } = 3;
    }

    public sealed record NotStorable : Bare
    {
        public Func<int> Size { get; init; } = () => 3;
    }

    public sealed record NotTheSame : Bare
    {
        private readonly int _reads;

        public int Size { get => _reads + 1; init => _reads = value; }
    }
}
