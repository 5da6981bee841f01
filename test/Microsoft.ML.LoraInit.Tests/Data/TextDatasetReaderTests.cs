using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Tests.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Data;

[TestClass]
public sealed class TextDatasetReaderTests
{
    private static readonly MLContext Context = new(0);

    private static readonly TextColumns Multiclass = new("Text", null, "Category");

    [TestMethod]
    public void RowsKeepTheirOrderLabelsAndWeights()
    {
        var rows = Enumerable.Range(0, 10_000).Select(i => new Row { Text = $"row {i}", Text2 = i % 3 == 0 ? $"pair {i}" : null, Category = $"c{i % 7}", Weight = i % 5 + 1, Score = i / 8f, Flag = i % 2 == 1 });
        var data = Keyed(rows);
        var dataset = Read(data, new("Text", "Text2", "Category", "Weight"), LabelKind.Key);
        Assert.AreEqual(10_000, dataset.Count);
        for (int i = 0; i < dataset.Count; i += 37)
        {
            CollectionAssert.AreEqual(TestTokenizers.Mini.Encode($"row {i}", i % 3 == 0 ? $"pair {i}" : "", 64).Ids, dataset.Texts[i].Ids);
            Assert.AreEqual(i % 7, dataset.Labels[i]);
            Assert.AreEqual(i % 5 + 1, dataset.Weights![i]);
        }
        var regression = Read(data, new("Text", null, "Score"), LabelKind.Single);
        Assert.AreEqual(1234 / 8f, regression.Labels[1234]);
        Assert.IsNull(regression.Weights);
        CollectionAssert.AreEqual(new[] { 0f, 1f, 0f }, Read(data, new("Text", null, "Flag"), LabelKind.Boolean).Labels[..3]);
        Assert.AreEqual(0, Read(data, new("Text"), LabelKind.Key).Labels.Length);
    }

    [TestMethod]
    public void AMissingTextIsEmpty()
    {
        var dataset = Read(Keyed([new() { Text = null, Category = "a" }, new() { Text = "", Category = "b" }]), Multiclass, LabelKind.Key);
        CollectionAssert.AreEqual(new[] { 0, 2 }, dataset.Texts[0].Ids);
        CollectionAssert.AreEqual(new[] { 0, 2 }, dataset.Texts[1].Ids);
    }

    [TestMethod]
    [DataRow(DataKind.Byte)]
    [DataRow(DataKind.UInt16)]
    [DataRow(DataKind.UInt32)]
    [DataRow(DataKind.UInt64)]
    public void KeysOfAnyWidthAreRead(DataKind kind)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "Text\tCategory\none\t0\ntwo\t2\n");
            var data = Context.Data.LoadFromTextFile(file, [
                new("Text", DataKind.String, 0),
                new("Category", kind, [new(1)], new KeyCount(3))], hasHeader: true);
            CollectionAssert.AreEqual(new[] { 0f, 2f }, Read(data, Multiclass, LabelKind.Key).Labels);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [TestMethod]
    public void NoRowsAreRefused() => Refused(Context.Data.FilterRowsByColumn(
        Context.Data.LoadFromEnumerable([new Row { Text = "a", Score = 1 }]), "Score", 5, 6), new("Text", null, "Score"), LabelKind.Single, "no rows");

    [TestMethod]
    public void AMissingKeyIsRefusedWithItsRow()
    {
        // "c" is not among the keys that were learnt from the first two rows.
        Row[] rows = [new() { Text = "x", Category = "a" }, new() { Text = "y", Category = "b" }, new() { Text = "z", Category = "c" }];
        var toKey = Context.Transforms.Conversion.MapValueToKey("Category").Fit(Context.Data.LoadFromEnumerable(rows[..2]));
        Refused(toKey.Transform(Context.Data.LoadFromEnumerable(rows)), Multiclass, LabelKind.Key, "Row 3", "'Category'", "missing");
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void ATargetThatIsNotFiniteIsRefusedWithItsRow(float value) => Refused(
        Context.Data.LoadFromEnumerable([new Row { Text = "a", Score = 1 }, new Row { Text = "b", Score = value }]),
        new("Text", null, "Score"), LabelKind.Single, "Row 2", "'Score'", "finite");

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(-1f)]
    public void AWeightBelowZeroOrNotANumberIsRefusedWithItsRow(float weight) => Refused(
        Context.Data.LoadFromEnumerable([new Row { Text = "a", Weight = 1 }, new Row { Text = "b", Weight = weight }]),
        new("Text", null, "Score", "Weight"), LabelKind.Single, "Row 2", "'Weight'");

    [TestMethod]
    public void WeightsOfZeroOnlyAreRefused() => Refused(
        Context.Data.LoadFromEnumerable([new Row { Text = "a", Weight = 0 }, new Row { Text = "b", Weight = 0 }]),
        new("Text", null, "Score", "Weight"), LabelKind.Single, "'Weight'", "0");

    [TestMethod]
    public void OneClassOnlyIsRefusedInTrainingAndNamed()
    {
        var toKey = Context.Transforms.Conversion.MapValueToKey("Category").Fit(Context.Data.LoadFromEnumerable([new Row { Category = "good" }, new Row { Category = "bad" }]));
        var data = toKey.Transform(Context.Data.LoadFromEnumerable([new Row { Text = "x", Category = "bad" }, new Row { Text = "y", Category = "bad" }]));
        Refused(data, Multiclass, LabelKind.Key, "'bad'", "'Category'", "two classes");
        Refused(data, new("Text", null, "Flag"), LabelKind.Boolean, "false", "'Flag'");
        var scored = TextDatasetReader.Read(data, Multiclass, LabelKind.Key, TestTokenizers.Mini, 64, training: false);
        CollectionAssert.AreEqual(new[] { 1f, 1f }, scored.Labels);
    }

    [TestMethod]
    public void ColumnsAndLengthAreCheckedBeforeARowIsRead()
    {
        var data = Context.Data.LoadFromEnumerable(Unreadable());
        Assert.ThrowsExactly<ArgumentException>(() => Read(data, new("Nothing"), LabelKind.Key));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TextDatasetReader.Read(data, new("Text"), LabelKind.Key, TestTokenizers.Mini, 513));

        static IEnumerable<Row> Unreadable()
        {
            Assert.Fail("A row was read.");
            yield break;
        }
    }

    [TestMethod]
    public void ProgressCountsRowsAndCancellationEndsTheReading()
    {
        var reports = new List<TrainingProgress>();
        using var cancellation = new CancellationTokenSource();
        int read = 0;
        var endless = Context.Data.LoadFromEnumerable(Endless());
        Assert.ThrowsExactly<OperationCanceledException>(() => TextDatasetReader.Read(
            endless, new("Text"), LabelKind.Key, TestTokenizers.Mini, 64, new Immediate(reports), cancellation.Token));
        Assert.IsTrue(reports.Count > 0 && reports[0].Step > 0 && reports.All(r => r.Phase == TrainingPhase.Tokenizing));
        Assert.IsTrue(read < 200_000, $"{read} rows were read after the cancellation");

        IEnumerable<Row> Endless()
        {
            while (true)
            {
                if (reports.Count == 1)
                    cancellation.Cancel();
                read++;
                yield return new Row { Text = $"row {read} of an endless stream, long enough to take a while" };
            }
        }
    }

    [TestMethod]
    public void TheLastReportCountsAllRows()
    {
        var reports = new List<TrainingProgress>();
        TextDatasetReader.Read(Keyed([new() { Text = "a", Category = "1" }, new() { Text = "b", Category = "2" }]), Multiclass, LabelKind.Key, TestTokenizers.Mini, 64, new Immediate(reports));
        Assert.AreEqual((2L, 2L), (reports[^1].Step, reports[^1].TotalSteps));
    }

    private static TextDataset Read(IDataView data, TextColumns columns, LabelKind kind) =>
        TextDatasetReader.Read(data, columns, kind, TestTokenizers.Mini, 64);

    private static void Refused(IDataView data, TextColumns columns, LabelKind kind, params string[] parts)
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Read(data, columns, kind));
        foreach (var part in parts)
            StringAssert.Contains(error.Message, part);
    }

    private static IDataView Keyed(IEnumerable<Row> rows)
    {
        var data = Context.Data.LoadFromEnumerable(rows);
        return Context.Transforms.Conversion.MapValueToKey("Category").Fit(data).Transform(data);
    }

    private sealed class Row
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public string? Category { get; set; }

        public float Score { get; set; }

        public bool Flag { get; set; }

        public float Weight { get; set; } = 1;
    }

    private sealed class Immediate(List<TrainingProgress> reports) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => reports.Add(value);
    }
}
