using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

/// <summary>Which tokens of a text that is too long are read, for one text and for pairs.</summary>
[TestClass]
public sealed class LongTextTests
{
    private static SubwordTokenizer Tokenizer => TestTokenizers.Mini;

    [TestMethod]
    [DataRow("truncate")]
    [DataRow("head-and-tail")]
    [DataRow("windows:256")]
    [DataRow("windows:3,most=8")]
    public void ANameIsReadAsItWasWritten(string text) => Assert.AreEqual(text, LongText.Parse(text).ToString());

    [TestMethod]
    [DataRow("window:3")]
    [DataRow("windows")]
    [DataRow("windows:0")]
    [DataRow("windows:3,least=2")]
    [DataRow("windows:3,most=x")]
    public void OtherNamesAreRefused(string text) =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => LongText.Parse(text)).Message, "windows:STRIDE");

    [TestMethod]
    public void HeadAndTailKeepsAQuarterAndTheEnd()
    {
        int[] all = Ids(40);
        var row = Tokenizer.Encode(Words(40), null, 22, LongText.HeadAndTail).Single();
        CollectionAssert.AreEqual((int[])[0, .. all[..5], .. all[^15..], 2], row.Ids);
        Assert.IsTrue(row.IsCut);
        Assert.IsFalse(Tokenizer.Encode(Words(20), null, 22, LongText.HeadAndTail).Single().IsCut);
    }

    [TestMethod]
    public void WindowsReadEveryToken()
    {
        int[] all = Ids(40);
        var rows = Tokenizer.Encode(Words(40), null, 22, LongText.Windows(8));
        CollectionAssert.AreEqual(new[] { 22, 22, 22, 18 }, rows.Select(r => r.Length).ToArray());
        for (int i = 0; i < rows.Length; i++)
            CollectionAssert.AreEqual(all[(8 * i)..Math.Min(40, (8 * i) + 20)], rows[i].Ids[1..^1]);
        Assert.IsFalse(rows.Any(r => r.IsCut));
        Assert.AreEqual(1, Tokenizer.Encode(Words(20), null, 22, LongText.Windows(8)).Length);
        Assert.AreEqual(2, Tokenizer.Encode(Words(21), null, 22, LongText.Windows(20)).Length);
    }

    [TestMethod]
    public void MoreWindowsThanAllowedAreLeftOutAndTold()
    {
        var rows = Tokenizer.Encode(Words(40), null, 22, LongText.Windows(8, 2));
        Assert.AreEqual(2, rows.Length);
        Assert.IsTrue(rows[^1].IsCut);
        Assert.IsFalse(Tokenizer.Encode(Words(28), null, 22, LongText.Windows(8, 2))[^1].IsCut);
    }

    [TestMethod]
    public void OfAPairTheLongerTextHasTheWindows()
    {
        var (first, second) = (Ids(6), Ids(40));
        var rows = Tokenizer.Encode(Words(6), Words(40), 24, LongText.Windows(7));
        foreach (var (row, i) in rows.Select((r, i) => (r, i)))
            CollectionAssert.AreEqual((int[])[0, .. first, 2, 2, .. second[(7 * i)..Math.Min(40, (7 * i) + 14)], 2], row.Ids);
        var turned = Tokenizer.Encode(Words(40), Words(6), 24, LongText.Windows(7));
        CollectionAssert.AreEqual((int[])[0, .. second[..14], 2, 2, .. first, 2], turned[0].Ids);
        // Both too long: half of the room for the one beside.
        CollectionAssert.AreEqual((int[])[0, .. second[..10], 2, 2, .. second[..10], 2], Tokenizer.Encode(Words(40), Words(40), 24, LongText.Windows(7))[0].Ids);
    }

    [TestMethod]
    public void ATextThatIsCutSaysSo()
    {
        Assert.IsFalse(Tokenizer.Encode(Words(20), null, 22).IsCut);
        Assert.IsTrue(Tokenizer.Encode(Words(21), null, 22).IsCut);
        Assert.IsFalse(Tokenizer.Encode(Words(10), Words(8), 22).IsCut);
        Assert.IsTrue(Tokenizer.Encode(Words(10), Words(9), 22).IsCut);
    }

    [TestMethod]
    public void AStrideThatLeavesTokensUnreadIsRefused()
    {
        LongText.Windows(20).Check(20, pair: false);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => LongText.Windows(21).Check(20, pair: false)).Message, "at most 20");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => LongText.Windows(11).Check(20, pair: true)).Message, "at most 10");
    }

    // Words of one token each.
    private static string Words(int count) => string.Concat(Enumerable.Range(0, count).Select(i => i % 3 == 0 ? " the" : i % 3 == 1 ? " of" : " and"));

    private static int[] Ids(int count) => Tokenizer.Encode(Words(count), null, 500).Ids[1..^1];
}
