using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Training.Checkpointing;

namespace Microsoft.ML.LoraInit.Tests.Persistence.EarlierVersions;

/// <summary>Files that version 0.1.0 wrote: Data/v0.1.0/README.md says how.</summary>
[TestClass]
public sealed class EarlierVersionTests
{
    private const double Tolerance = 1e-6;

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data", "v0.1.0");
    private static readonly IReadOnlyList<StoredRun> Runs = StoredRun.Read(Path.Combine(Folder, "runs.json"));

    internal static RobertaCheckpoint Base { get; } = RobertaCheckpoint.FromDirectory(Path.Combine(Folder, "base"));

    private static IEnumerable<object[]> Models => Runs.Select(r => new object[] { r.Name });

    private static IEnumerable<object[]> Checkpoints => Runs.Where(r => !r.IsMini).Select(r => new object[] { r.Name });

    private static IEnumerable<object[]> PeftFolders => Runs.Where(r => r.PeftScores is not null).Select(r => new object[] { r.Name });

    [TestMethod]
    [DynamicData(nameof(Models), DynamicDataDisplayName = nameof(DisplayName))]
    public void AModelScoresAsBeforeAndSavesUnchanged(string name)
    {
        var run = Run(name);
        using var model = Load(File.OpenRead(ModelPath(name)));
        Near(run.Scores, StoredRun.ScoresOf(model));
        Assert.AreEqual(run.FineTuning, TrainedModels.Step(model).FineTuning.ToJsonString());
        Assert.AreEqual(FineTuningMethod.Parse(run.Method), TrainedModels.Step(model).Method);
        Assert.IsTrue(TrainedModels.Step(model).History.Steps == 8, TrainedModels.Step(model).History.ToJson());

        var stream = new MemoryStream();
        new MLContext().Model.Save(model, null, stream);
        using var again = Load(stream);
        CollectionAssert.AreEqual(Bits(StoredRun.ScoresOf(model)), Bits(StoredRun.ScoresOf(again)));
        Assert.AreEqual(run.FineTuning, TrainedModels.Step(again).FineTuning.ToJsonString());
        Assert.AreEqual(TrainedModels.Step(model).Initialization, TrainedModels.Step(again).Initialization);
    }

    [TestMethod]
    [DynamicData(nameof(Checkpoints), DynamicDataDisplayName = nameof(DisplayName))]
    public void ARunThatWasCutOffEndsWithTheWeightsThatItWouldHaveHad(string name)
    {
        using var folder = new TemporaryFolder();
        var run = Run(name);
        File.Copy(Path.Combine(Folder, "checkpoints", name, TrainingCheckpoint.FileName), folder.File(TrainingCheckpoint.FileName));
        var messages = new Messages();

        using var resumed = (IDisposable)run.Fit(Base, folder.Path, messages);

        Assert.IsFalse(messages.Any(m => m.StartsWith("Initialising", StringComparison.Ordinal)), "It was begun anew.");
        using var whole = Load(File.OpenRead(ModelPath(name)));
        var (expected, actual) = (TrainedModels.Step(whole), TrainedModels.Step((ITransformer)resumed));
        CollectionAssert.AreEquivalent(expected.Model.State.Tensors.Keys.ToArray(), actual.Model.State.Tensors.Keys.ToArray());
        // The softmax does not see the keys' biases: their gradients are rounding alone, and differ from processor to processor.
        foreach (var (tensor, values) in expected.Model.State.Tensors.Where(t => !t.Key.EndsWith("key.bias", StringComparison.Ordinal)))
            Near([values.data<float>().ToArray()], [actual.Model.State.Tensors[tensor].data<float>().ToArray()], tensor);
        Near(run.Scores, StoredRun.ScoresOf((ITransformer)resumed));
        Assert.AreEqual(expected.Initialization, actual.Initialization);
        Assert.AreEqual(expected.History.Steps, actual.History.Steps);
    }

    [TestMethod]
    [DynamicData(nameof(PeftFolders), DynamicDataDisplayName = nameof(DisplayName))]
    public void APeftFolderScoresAsBefore(string name)
    {
        var run = Run(name);
        using var model = PeftAdapter.Load(Path.Combine(Folder, "peft", name), run.PeftOptions(Base));
        Near(run.PeftScores!, StoredRun.ScoresOf(model));
    }

    [TestMethod]
    public void ALibraryScoresAsBeforeAndSavesUnchanged()
    {
        using var folder = new TemporaryFolder();
        var stored = Path.Combine(Folder, "library");
        using var library = AdapterLibrary.Load(stored, null, Base);
        library.Save(folder.File("again"));
        using var again = AdapterLibrary.Load(folder.File("again"));
        var runs = Runs.Where(r => r.LibraryScores is not null && !r.IsMini).ToArray();
        CollectionAssert.AreEquivalent(runs.Select(r => r.Name).ToArray(), library.Names.ToArray());
        foreach (var run in runs)
        {
            Near(run.LibraryScores!, run.ScoresOf(library), run.Name);
            CollectionAssert.AreEqual(Bits(run.ScoresOf(library)), Bits(run.ScoresOf(again)), run.Name);
        }
        CollectionAssert.AreEqual(Adapters(stored), Adapters(folder.File("again")));

        static string[] Adapters(string folder) =>
            [.. JsonNode.Parse(File.ReadAllText(Path.Combine(folder, LibraryFolder.Manifest)))!["adapters"]!.AsArray().Select(a => a!.ToJsonString())];
    }

    [TestMethod]
    public void ALibrarysPipelineStepScoresAsBefore()
    {
        var (ml, run) = (new MLContext(), Run("mini"));
        using var step = Load(File.OpenRead(ModelPath("library")));
        var rows = StoredRows.Scored.Select(r => new { r.Text, Adapter = run.Name });
        Near(run.LibraryScores!, [.. step.Transform(ml.Data.LoadFromEnumerable(rows)).GetColumn<float[]>("Score")]);
    }

    public static string DisplayName(MethodInfo method, object[] data) => $"{method.Name} ({data[0]})";

    internal static StoredRun Run(string name) => Runs.Single(r => r.Name == name);

    internal static string ModelPath(string name) => Path.Combine(Folder, "models", $"{name}.mlnet");

    private static TransformerChain<ITransformer> Load(Stream stream)
    {
        using (stream)
            return new MLContext().Model.Load(stream, out _) is var model && model is TransformerChain<ITransformer> chain ? chain : new(model);
    }

    private static void Near(float[][] expected, float[][] actual, string what = "")
    {
        Assert.AreEqual(expected.Length, actual.Length, what);
        foreach (var (e, a) in expected.Zip(actual))
        {
            Assert.AreEqual(e.Length, a.Length, what);
            for (int i = 0; i < e.Length; i++)
                Assert.AreEqual(e[i], a[i], Tolerance * Math.Max(1, Math.Abs(e[i])), what);
        }
    }

    private static uint[] Bits(float[][] scores) => [.. scores.SelectMany(s => s).Select(BitConverter.SingleToUInt32Bits)];

    private sealed class Messages : List<string>, IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => Add(value.Message ?? "");
    }
}
