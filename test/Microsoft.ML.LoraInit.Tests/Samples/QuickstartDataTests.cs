using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class QuickstartDataTests
{
    private static readonly TextLayout Layout = new() { Name = "multiclass", Kind = TaskKind.Multiclass, Text = "Text", Label = "Label" };

    [TestMethod]
    public void TheSentencesAreBalancedAndDistinct()
    {
        var (train, test) = (Rows("train"), Rows("test"));
        foreach (var rows in new[] { train, test })
        {
            var counts = rows.CountBy(r => r.Label!).Select(c => c.Value).ToArray();
            Assert.AreEqual(6, counts.Length);
            Assert.AreEqual(counts.Min(), counts.Max());
        }
        Assert.IsTrue(train.Count >= 480 && test.Count >= 120);
        var texts = train.Concat(test).Select(r => r.Text).ToArray();
        Assert.AreEqual(texts.Length, texts.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.IsTrue(texts.All(t => t.Length > 3 && t == t.Trim()));
    }

    [TestMethod]
    public void NoTestSentenceIsATrainingSentenceWithAFewWordsChanged()
    {
        var train = Rows("train").Select(r => (r.Text, Words: Words(r.Text))).ToArray();
        foreach (var row in Rows("test"))
        {
            var words = Words(row.Text);
            foreach (var other in train)
                Assert.IsTrue(words.Intersect(other.Words).Count() < 0.6 * words.Union(other.Words).Count(), $"'{row.Text}' is nearly '{other.Text}'.");
        }
    }

    private static HashSet<string> Words(string text) => [.. text.ToLowerInvariant().Split([' ', ',', '.', '?', '!'], StringSplitOptions.RemoveEmptyEntries)];

    private static IReadOnlyList<TextFileRow> Rows(string part) =>
        TextFile.ReadAll(Path.Combine(AppContext.BaseDirectory, "Data", $"support-intents.{part}.tsv"), Layout);
}
