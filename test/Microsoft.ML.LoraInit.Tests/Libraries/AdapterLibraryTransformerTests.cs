using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Libraries;
using static Microsoft.ML.LoraInit.Tests.Libraries.AdapterLibraryRefusalTests;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

[TestClass]
public sealed class AdapterLibraryTransformerTests
{
    private static readonly string[] Names = ["topic", "urgent", "mark", "pairs"];

    [TestMethod]
    public void RowsKeepTheirOrderAndOtherColumns()
    {
        var ml = new MLContext();
        using var library = Library();
        // More rows than the first windows hold.
        var rows = Enumerable.Range(0, 150).Select(i => new Row { Id = i, Text = MadeUpModels.Texts[i % 60], Text2 = "About food.", Adapter = Names[i * 3 % 4] }).ToArray();
        var step = library.CreateTransformer(new() { Text2 = "Text2" });

        var view = step.Transform(ml.Data.LoadFromEnumerable(rows));
        var read = ml.Data.CreateEnumerable<Prediction>(view, reuseRowObject: false).ToArray();

        var expected = library.Predict(rows.Select(r => new AdapterRequest(r.Adapter, r.Text, r.Adapter == "pairs" ? r.Text2 : null)));
        for (int i = 0; i < rows.Length; i++)
        {
            Assert.AreEqual(i, read[i].Id);
            Assert.AreEqual(expected[i].PredictedLabel, read[i].PredictedLabel);
            AdapterLibraryTests.Near(expected[i].Score, read[i].Score, $"row {i}");
            Assert.AreEqual(expected[i].Probability, read[i].Probability, 1e-5f);
        }
        CollectionAssert.AreEqual(rows.Select(r => r.Id).ToArray(), view.GetColumn<int>("Id").ToArray(), "without predictions");
        Assert.AreEqual(150, view.GetColumn<ReadOnlyMemory<char>>("PredictedLabel").Count());
    }

    [TestMethod]
    public void APredictionEngineWorksAndSeesReplacedAdapters()
    {
        var ml = new MLContext();
        using var library = Library();
        var step = library.CreateTransformer();
        using (var engine = ml.Model.CreatePredictionEngine<Row, Prediction>(step))
        {
            var row = new Row { Text = "The soup tasted of garlic.", Adapter = "topic" };
            var first = engine.Predict(row);
            AdapterLibraryTests.Near(library.Predict("topic", row.Text).Score, first.Score, "topic");
            Assert.AreEqual(2, engine.Predict(new() { Text = row.Text, Adapter = "urgent" }).Score.Length);
            Assert.AreEqual(1, engine.Predict(new() { Text = row.Text, Adapter = "mark" }).Score.Length);
            using var other = MadeUpModels.Create("plain", MadeUpModels.Multiclass("p", "q", "r", "s", "t"), 9);
            library.Add("topic", other, replace: true);
            Assert.AreEqual(5, engine.Predict(row).Score.Length);
            Says<ArgumentException>(() => engine.Predict(new() { Text = "x", Adapter = "spam" }), "'spam'", "'mark', 'pairs', 'topic', 'urgent'");
        }
        Assert.AreEqual(5, library.Predict("topic", "The engine does not own the library.").Score.Count);
    }

    [TestMethod]
    public void BadRowsAndColumnsAreNamed()
    {
        var ml = new MLContext();
        using var library = Library();
        var rows = Enumerable.Range(0, 60).Select(i => new Row { Text = "x", Adapter = i == 40 ? "spam" : "topic" });
        var view = library.CreateTransformer().Transform(ml.Data.LoadFromEnumerable(rows));
        Says<ArgumentException>(() => view.GetColumn<float>("Probability").Count(), "Row 41", "'spam'", "'topic'");
        var pairs = library.CreateTransformer().Transform(ml.Data.LoadFromEnumerable(new[] { new Row { Text = "x", Adapter = "pairs" } }));
        Says<ArgumentException>(() => pairs.GetColumn<float>("Probability").Count(), "Row 1", "'pairs'", "second text");

        var empty = ml.Data.LoadFromEnumerable(Array.Empty<Row>());
        Says<ArgumentOutOfRangeException>(() => library.CreateTransformer(new() { Adapter = "Which" }).Transform(empty), "'Which'", "'Adapter'");
        Says<ArgumentOutOfRangeException>(() => library.CreateTransformer(new() { Adapter = "Id" }).Transform(empty), "'Id'", "Int32");
        Says<ArgumentOutOfRangeException>(() => library.CreateTransformer(new() { Text = "Body" }).Transform(empty), "'Body'");
        Says<ArgumentException>(() => library.CreateTransformer(new() { Score = "Probability" }), "'Probability'");
        Says<ArgumentException>(() => library.CreateTransformer(new() { Score = "" }), "empty");
        Assert.AreEqual(0, library.CreateTransformer().Transform(empty).GetColumn<float>("Probability").Count());
    }

    [TestMethod]
    public void AnAdapterThatComesWhileItsRowsAreReadAheadIsFound()
    {
        using var library = Library();
        var rows = Enumerable.Range(0, 120).Select(i => new Row { Text = "x", Adapter = i < 100 ? "topic" : "late" });
        var view = library.CreateTransformer().Transform(new MLContext().Data.LoadFromEnumerable(rows));
        using var late = MadeUpModels.Create("plain", MadeUpModels.Multiclass("p", "q", "r", "s", "t"), 9);
        using var cursor = view.GetRowCursor(view.Schema);
        for (int i = 0; i < 33; i++) // of the second window; the others are under way
            Assert.IsTrue(cursor.MoveNext());
        library.Add("late", late);

        var score = cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]);
        VBuffer<float> value = default;
        while (cursor.MoveNext())
            score(ref value);

        Assert.AreEqual(5, value.Length);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(33)]
    public void ACursorThatIsLeftEarlyFreesWhatItsWindowsHold(int rows)
    {
        var library = Library();
        var view = library.CreateTransformer().Transform(new MLContext().Data.LoadFromEnumerable(Enumerable.Range(0, 400).Select(i => new Row { Text = "x", Adapter = "topic" })));
        using (var cursor = view.GetRowCursor(view.Schema))
            for (int i = 0; i < rows; i++)
                cursor.MoveNext();
        var weight = library.Base.Predictor.Encoder.Tensors[0];
        library.Dispose();
        Assert.IsTrue(weight.IsInvalid, "a window still holds the library");
    }

    [TestMethod]
    public void ErrorsOfTheSourceComeAfterTheRowsBeforeThem()
    {
        var ml = new MLContext();
        using var library = Library();
        var rows = Enumerable.Range(0, 60).Select(i => i < 40 ? new Row { Id = i, Text = "x", Adapter = "topic" } : throw new FormatException("line 41"));
        var read = new List<int>();

        Assert.ThrowsExactly<FormatException>(() =>
        {
            foreach (var row in ml.Data.CreateEnumerable<Prediction>(library.CreateTransformer().Transform(ml.Data.LoadFromEnumerable(rows)), false))
                read.Add(row.Id);
        });

        CollectionAssert.AreEqual(Enumerable.Range(0, 40).ToArray(), read);
    }

    [TestMethod]
    [DoNotParallelize]
    public void ASavedStepComesBackWithItsAdaptersAndFreesThem()
    {
        var ml = new MLContext();
        using var folder = new TemporaryFolder();
        using var library = Library();
        var rows = MadeUpModels.Texts.Take(20).Select((t, i) => new Row { Text = t, Text2 = "b", Adapter = Names[i % 4] }).ToArray();
        var view = ml.Data.LoadFromEnumerable(rows);
        var step = library.CreateTransformer(new() { Text2 = "Text2", Score = "Numbers" });
        var chain = ml.Transforms.CopyColumns("Copy", "Text").Fit(view).Append(step);
        ml.Model.Save(chain, view.Schema, folder.File("m.mlnet"));
        var expected = Bits(step.Transform(view));
        long before = LiveTensors.Count();

        var loaded = ml.Model.Load(folder.File("m.mlnet"), out _);
        CollectionAssert.AreEqual(expected, Bits(loaded.Transform(view)));
        ((IDisposable)loaded).Dispose();
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    public void ASavedLibraryComesBackWhole()
    {
        var ml = new MLContext();
        using var folder = new TemporaryFolder();
        using var library = Library();
        library.Save(folder.File("library"));
        using var loaded = AdapterLibrary.Load(folder.File("library"));
        CollectionAssert.AreEqual(library.Names.ToArray(), loaded.Names.ToArray());
        foreach (var name in library.Names)
        {
            var (before, after) = (library[name], loaded[name]);
            CollectionAssert.AreEqual(before.Labels.ToArray(), after.Labels.ToArray());
            CollectionAssert.AreEqual(before.Modules.ToArray(), after.Modules.ToArray());
            Assert.AreEqual((before.Task, before.IsPair, before.MaxLength, before.SizeInBytes), (after.Task, after.IsPair, after.MaxLength, after.SizeInBytes));
            var second = before.IsPair ? "b" : null;
            CollectionAssert.AreEqual(library.Predict(name, "The soup.", second).Score.ToArray(), loaded.Predict(name, "The soup.", second).Score.ToArray());
        }

        Says<IOException>(() => Run(() => library.Save(folder.File("library"))), "not empty");
        Says<DirectoryNotFoundException>(() => AdapterLibrary.Load(folder.File("none")), folder.File("none"));
        var manifest = Path.Combine(folder.File("library"), LibraryFolder.Manifest);
        var text = File.ReadAllText(manifest);
        File.WriteAllText(manifest, text.Replace("\"version\": 1", "\"version\": 3", StringComparison.Ordinal));
        Says<InvalidDataException>(() => AdapterLibrary.Load(folder.File("library")), "newer");
        File.WriteAllText(manifest, text[..^20]);
        Says<InvalidDataException>(() => AdapterLibrary.Load(folder.File("library")), LibraryFolder.Manifest, "damaged");
        File.WriteAllText(manifest, text.Replace(MadeUpModels.Base.Identity.Sha256, new string('c', 64), StringComparison.Ordinal));
        Says<InvalidDataException>(() => AdapterLibrary.Load(folder.File("library")), "base", new string('c', 64));
        File.WriteAllText(manifest, text);
        var file = Path.Combine(folder.File("library"), "adapter-2.safetensors");
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Says<InvalidDataException>(() => AdapterLibrary.Load(folder.File("library")), "adapter-2.safetensors", "SHA-256");
        File.Delete(file);
        Says<InvalidDataException>(() => AdapterLibrary.Load(folder.File("library")), "adapter-2.safetensors", "missing");
    }

    private static AdapterLibrary Library()
    {
        var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var topic = MadeUpModels.Create("plain", MadeUpModels.Multiclass("food", "sport", "weather"), 1);
        using var urgent = MadeUpModels.Create("dora", MadeUpModels.Binary(), 2, s => s with { Rank = 2 });
        using var mark = MadeUpModels.Create("subtract", MadeUpModels.Regression(), 3);
        using var pairs = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c", "d"), 4, pair: true);
        library.Add("topic", topic);
        library.Add("urgent", urgent);
        library.Add("mark", mark);
        library.Add("pairs", pairs);
        return library;
    }

    private static string[] Bits(IDataView view) =>
        [.. view.GetColumn<float[]>("Numbers").Select(s => string.Join(' ', s.Select(v => BitConverter.SingleToUInt32Bits(v))))];

    private static object Run(Action action)
    {
        action();
        return action;
    }

    private sealed class Row
    {
        public int Id { get; set; }

        public string Text { get; set; } = "";

        public string Text2 { get; set; } = "";

        public string Adapter { get; set; } = "";
    }

    private sealed class Prediction
    {
        public int Id { get; set; }

        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];

        public float Probability { get; set; }
    }
}
