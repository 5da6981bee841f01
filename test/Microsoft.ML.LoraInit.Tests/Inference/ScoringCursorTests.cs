using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
public class ScoringCursorTests
{
    private static readonly MLContext ML = new();

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(32)]
    [DataRow(33)]
    [DataRow(2000)]
    public void RowsComeInOrderWithAllTheirColumns(int count)
    {
        var (view, scorer) = Score(Rows(count));

        var rows = ML.Data.CreateEnumerable<Scored>(view, reuseRowObject: false).ToArray();

        Assert.AreEqual(count, rows.Length);
        for (int i = 0; i < count; i++)
        {
            var expected = Row(i);
            Assert.AreEqual(expected.Text, rows[i].Text);
            Assert.AreEqual(expected.Number, rows[i].Number);
            Assert.AreEqual(expected.Flag, rows[i].Flag);
            CollectionAssert.AreEqual(expected.Vector, rows[i].Vector);
            CollectionAssert.AreEqual(expected.Words, rows[i].Words);
            Assert.AreEqual(expected.Day, rows[i].Day);
            Assert.AreEqual(expected.Text.Length, rows[i].Score);
        }
        Assert.AreEqual(count, scorer.Rows);
        Assert.IsTrue(scorer.LargestCall <= ScoringWindow.Size);
    }

    [TestMethod]
    public void AnEndlessStreamIsReadInBoundedSteps()
    {
        var (view, scorer) = Score(Endless());
        var read = ML.Data.CreateEnumerable<Scored>(view, reuseRowObject: true).Take(20_000);

        Assert.AreEqual(20_000, read.Count());
        Assert.IsTrue(scorer.LargestCall <= ScoringWindow.Size, $"{scorer.LargestCall} rows were read ahead.");
        Assert.IsTrue(scorer.Rows <= 20_000 + (ScoringWindow.Depth * ScoringWindow.Size), $"{scorer.Rows} rows were scored for 20,000.");

        static IEnumerable<Source> Endless()
        {
            for (int i = 0; ; i++)
                yield return Row(i % 100);
        }
    }

    [TestMethod]
    public void AFewRowsCostOnlyAFewScores()
    {
        var (view, scorer) = Score(Rows(5000));

        Assert.AreEqual(10, view.Preview(10).RowView.Length);

        Assert.IsTrue(scorer.Rows <= 100, $"{scorer.Rows} rows were scored for a preview of 10.");
    }

    [TestMethod]
    public void LongTextsEndAWindowEarly()
    {
        var (view, scorer) = Score(Enumerable.Range(0, 200).Select(_ => new Source { Text = new string('x', 100_000) }));

        Assert.AreEqual(200, view.GetColumn<float>("Score").Count());

        Assert.IsTrue(scorer.LargestCall <= 11, $"{scorer.LargestCall} texts of 100,000 characters were held at once.");
    }

    [TestMethod]
    public void NothingIsComputedWhereNoScoreIsAskedFor()
    {
        var (view, scorer) = Score(Rows(100));

        CollectionAssert.AreEqual(Rows(100).Select(r => r.Number).ToArray(), view.GetColumn<int>("Number").ToArray());

        Assert.AreEqual(0, scorer.Calls);
    }

    [TestMethod]
    public void OnlyColumnsAskedForAreActive()
    {
        var (view, _) = Score(Rows(3));
        using var cursor = view.GetRowCursor([view.Schema["Score"], view.Schema["Number"]]);

        Assert.IsTrue(cursor.IsColumnActive(view.Schema["Number"]));
        Assert.IsFalse(cursor.IsColumnActive(view.Schema["Text"]));
        Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<bool>(view.Schema["Flag"]));
        Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<double>(view.Schema["Score"]));
        var score = cursor.GetGetter<float>(view.Schema["Score"]);
        float value = 0;
        Assert.ThrowsExactly<InvalidOperationException>(() => score(ref value), "before the first MoveNext");
        while (cursor.MoveNext())
            score(ref value);
        Assert.AreEqual(-1, cursor.Position);
        Assert.IsFalse(cursor.MoveNext());
        Assert.ThrowsExactly<InvalidOperationException>(() => score(ref value), "after the end");
    }

    [TestMethod]
    public void ShufflingAndIdsAreTheSources()
    {
        var (view, _) = Score(Rows(700));
        var shuffled = ML.Data.ShuffleRows(view, seed: 3);

        var numbers = shuffled.GetColumn<int>("Number").ToArray();

        CollectionAssert.AreNotEqual(Enumerable.Range(0, 700).ToArray(), numbers);
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 700).ToArray(), numbers);
        foreach (var row in ML.Data.CreateEnumerable<Scored>(shuffled, false))
            Assert.AreEqual(row.Text.Length, row.Score);
    }

    [TestMethod]
    public void PairsAndNullTextsAreRead()
    {
        var source = ML.Data.LoadFromEnumerable<Source>([new() { Text = null!, Text2 = "abc" }, new() { Text = "ab", Text2 = "" }]);
        var view = new ScoredDataView<TextPair, float[]>(source, new ScoringSchema(source.Schema, new TextColumns("Text", "Text2"), new RegressionColumns("Score")), new FakeScorer());

        CollectionAssert.AreEqual(new[] { 3000f, 2f }, view.GetColumn<float>("Score").ToArray());
    }

    [TestMethod]
    public void WindowsAreBegunAheadAndGivenUpWithTheCursor()
    {
        var source = ML.Data.LoadFromEnumerable(Rows(5000));
        var scorer = new RecordingScorer();
        var view = new ScoredDataView<TextPair, float[]>(source, new ScoringSchema(source.Schema, new TextColumns("Text"), new RegressionColumns("Score")), scorer);
        using (var cursor = view.GetRowCursor([view.Schema["Score"]]))
        {
            Assert.IsTrue(cursor.MoveNext());
            Assert.AreEqual(1, scorer.Begun, "a preview reads no further");
            for (int i = 0; i < 32; i++)
                Assert.IsTrue(cursor.MoveNext());
            Assert.AreEqual(1 + ScoringWindow.Depth, scorer.Begun);
            Assert.AreEqual(3, scorer.Advanced, "the second window, and the third while that is read");
            Assert.AreEqual(2, scorer.Taken);
        }
        Assert.AreEqual(scorer.Begun, scorer.Disposed);
        Assert.AreEqual(2, scorer.Taken, "what nobody reads is not scored");
    }

    [TestMethod]
    public void ErrorsOfTheScorerReachTheConsumerAndEndTheRows()
    {
        var source = ML.Data.LoadFromEnumerable(Rows(5000));
        var scorer = new RecordingScorer { FailsAt = 3 };
        var view = new ScoredDataView<TextPair, float[]>(source, new ScoringSchema(source.Schema, new TextColumns("Text"), new RegressionColumns("Score")), scorer);
        using var cursor = view.GetRowCursor([view.Schema["Score"]]);
        int rows = 0;

        Assert.ThrowsExactly<FormatException>(() =>
        {
            while (cursor.MoveNext())
                rows++;
        });

        Assert.AreEqual(32 + 64, rows);
        Assert.AreEqual(scorer.Begun, scorer.Disposed);
        Assert.IsFalse(cursor.MoveNext());
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(5)]
    [DataRow(32)]
    [DataRow(1000)]
    public void ErrorsOfTheSourceComeAfterTheRowsBeforeThem(int good)
    {
        var (view, _) = Score(Rows(good).Concat(Failing()));
        using var cursor = view.GetRowCursor([view.Schema["Score"]]);
        int rows = 0;

        Assert.ThrowsExactly<FormatException>(() =>
        {
            while (cursor.MoveNext())
                rows++;
        });

        Assert.AreEqual(good, rows);

        static IEnumerable<Source> Failing()
        {
            foreach (var i in (int[])[1])
                throw new FormatException($"bad row {i}");
            yield break;
        }
    }

    [TestMethod]
    public void SeveralCursorsOfAViewAreIndependent()
    {
        var (view, _) = Score(Rows(1500));
        using var a = view.GetRowCursor(view.Schema);
        using var b = view.GetRowCursor(view.Schema);
        var (scoreA, scoreB) = (a.GetGetter<float>(view.Schema["Score"]), b.GetGetter<float>(view.Schema["Score"]));
        float first = 0, second = 0;
        for (int i = 0; i < 1500; i++)
        {
            Assert.IsTrue(a.MoveNext());
            if (i % 3 == 0)
            {
                Assert.IsTrue(b.MoveNext());
                scoreB(ref second);
                Assert.AreEqual(i / 3 % 97, second);
            }
            scoreA(ref first);
            Assert.AreEqual(i % 97, first);
        }
    }

    private static (IDataView View, FakeScorer Scorer) Score(IEnumerable<Source> rows)
    {
        var source = ML.Data.LoadFromEnumerable(rows);
        var scorer = new FakeScorer();
        return (new ScoredDataView<TextPair, float[]>(source, new ScoringSchema(source.Schema, new TextColumns("Text"), new RegressionColumns("Score")), scorer), scorer);
    }

    private static IEnumerable<Source> Rows(int count) => Enumerable.Range(0, count).Select(Row);

    private static Source Row(int i) => new()
    {
        Text = new string('a', i % 97),
        Number = i,
        Flag = i % 3 == 0,
        Vector = [.. Enumerable.Range(0, i % 5).Select(k => (float)(i + k))],
        Words = [.. Enumerable.Range(0, i % 4).Select(k => $"w{i}.{k}")],
        Day = new DateTime(2020, 1, 1).AddDays(i),
    };

    private class Source
    {
        public string Text { get; set; } = "";

        public string Text2 { get; set; } = "";

        public int Number { get; set; }

        public bool Flag { get; set; }

        public float[] Vector { get; set; } = [];

        public string[] Words { get; set; } = [];

        public DateTime Day { get; set; }
    }

    private sealed class Scored : Source
    {
        public float Score { get; set; }
    }
}
