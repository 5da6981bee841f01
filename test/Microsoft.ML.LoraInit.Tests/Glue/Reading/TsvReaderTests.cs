using System.Text;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Glue.Reading;

namespace Microsoft.ML.LoraInit.Tests.Glue.Reading;

[TestClass]
public sealed class TsvReaderTests
{
    [TestMethod]
    public void QuotationMarksAreText()
    {
        var lines = Read("1\t\"a\t\"b\"\n2\tsaid \"\t\"\n");
        CollectionAssert.AreEqual(new[] { "1", "\"a", "\"b\"" }, lines[0].Cells.ToArray());
        CollectionAssert.AreEqual(new[] { "2", "said \"", "\"" }, lines[1].Cells.ToArray());
    }

    [TestMethod]
    public void ByteOrderMarkAndCarriageReturnsAreNotText()
    {
        var lines = Read("\uFEFFa\tb\r\nc\td\r\n");
        Assert.AreEqual(2, lines.Count);
        CollectionAssert.AreEqual(new[] { "a", "b" }, lines[0].Cells.ToArray());
        CollectionAssert.AreEqual(new[] { "c", "d" }, lines[1].Cells.ToArray());
    }

    [TestMethod]
    [DataRow("a\nb", 2, DisplayName = "no line feed at the end")]
    [DataRow("a\nb\n", 2, DisplayName = "a line feed at the end")]
    [DataRow("a\n\nb\n", 3, DisplayName = "an empty line in between is a line")]
    [DataRow("", 0, DisplayName = "empty")]
    [DataRow("a\rb\u2028c\u0085d\n", 1, DisplayName = "other separators are text")]
    public void OnlyLineFeedsEndLines(string content, int expected) => Assert.AreEqual(expected, Read(content).Count);

    [TestMethod]
    public void NumbersLinesFromOne() =>
        CollectionAssert.AreEqual(new long[] { 1, 2, 3 }, Read("a\nb\nc").Select(l => l.Number).ToArray());

    [TestMethod]
    public void ALineOfAMegabyteSurvives()
    {
        var cell = string.Concat(Enumerable.Range(0, 200_000).Select(i => (char)('a' + i % 26) + "é日")) + "\"";
        var lines = Read($"x\t{cell}\r\ny\tz\n");
        Assert.AreEqual(cell, lines[0].Cells[1]);
        CollectionAssert.AreEqual(new[] { "y", "z" }, lines[1].Cells.ToArray());
    }

    [TestMethod]
    public void AMissingFileIsNamed()
    {
        var path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "none.tsv");
        var error = Assert.ThrowsExactly<GlueDataException>(() => TsvReader.Read(path).ToList());
        StringAssert.Contains(error.Message, path);
        StringAssert.Contains(error.Message, "no such file");
    }

    [TestMethod]
    public void AFolderIsRefused()
    {
        using var folder = new TemporaryFolder();
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => TsvReader.Read(folder.Path).ToList()).Message, "folder");
    }

    [TestMethod]
    public void BytesThatAreNotUtf8AreRefused()
    {
        using var folder = new TemporaryFolder();
        var path = System.IO.Path.Combine(folder.Path, "latin1.tsv");
        File.WriteAllBytes(path, [(byte)'a', 0xE9, (byte)'b', (byte)'\n']);
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => TsvReader.Read(path).ToList()).Message, "UTF-8");
    }

    private static List<TextFileLine> Read(string content)
    {
        using var folder = new TemporaryFolder();
        var path = System.IO.Path.Combine(folder.Path, "data.tsv");
        File.WriteAllText(path, content, new UTF8Encoding(false));
        return [.. TsvReader.Read(path)];
    }
}
