using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Tests.Glue.Reading;

[TestClass]
public sealed class TextFileTests
{
    private static readonly TextLayout Columns = new() { Name = "multiclass", Kind = TaskKind.Multiclass, Text = "Text", Label = "Label" };

    [TestMethod]
    public void ColumnsAreFoundByNameOrNumber()
    {
        var expected = new TextFileRow("one", "two", "x");
        var byName = Read("id\tLabel\tText\tOther\n7\tx\tone\ttwo\n", Columns with { Text2 = "Other" });
        var byNumber = Read("7\tx\tone\ttwo\n", Columns with { Text = "3", Text2 = "4", Label = "2", HasHeader = false });
        Assert.AreEqual(expected, byName.Single());
        Assert.AreEqual(expected, byNumber.Single());
    }

    [TestMethod]
    public void AMissingColumnIsNamedWithThoseThere()
    {
        var error = Fails("Text\tIntent\na\tb\n", Columns);
        Assert.AreEqual("Label", error.Column);
        StringAssert.Contains(error.Message, "'Intent'");
    }

    [TestMethod]
    [DataRow("5")]
    [DataRow("0")]
    [DataRow("Text")]
    public void WithoutHeaderAColumnIsANumberInRange(string column) =>
        StringAssert.Contains(Fails("a\tb\n", Columns with { HasHeader = false, Text = column, Label = "1" }).Message, "from 1 to 2");

    [TestMethod]
    public void AWrongColumnCountIsNamedByLine()
    {
        var error = Fails("Label\tText\nx\ta\nx\ta\tb\n", Columns);
        Assert.AreEqual(3, error.Line);
        StringAssert.Contains(error.Message, "3 columns found, 2 expected");
    }

    [TestMethod]
    public void MalformedLinesCanBeLeftOut()
    {
        List<long> malformed = [];
        var rows = Read("Label\tText\nx\ta\nbroken\ny\tb\n", Columns with { SkipMalformed = true }, malformed.Add);
        CollectionAssert.AreEqual(new[] { "a", "b" }, rows.Select(r => r.Text).ToArray());
        CollectionAssert.AreEqual(new long[] { 3 }, malformed);
    }

    [TestMethod]
    public void AnUnknownLabelIsNamedByLineAndColumn()
    {
        var error = Fails("Label\tText\nyes\ta\nmaybe\tb\n", Columns with { Labels = ["yes", "no"] });
        Assert.AreEqual(3, error.Line);
        Assert.AreEqual("Label", error.Column);
        StringAssert.Contains(error.Message, "'maybe'");
        StringAssert.Contains(error.Message, "yes, no");
    }

    [TestMethod]
    public void AListOfLabelsHasEachOnceWithoutBlanks()
    {
        var rows = Read("Label\tText\n b, a ,,b,\tone\n , \ttwo\n\tthree\n", Columns with { Kind = TaskKind.MultiLabel, LabelDelimiter = ',', Labels = ["a", "b"] });
        CollectionAssert.AreEqual(new[] { "b,a", "", "" }, rows.Select(r => r.Label).ToArray());
    }

    [TestMethod]
    public void AnUnknownLabelInAListIsNamed()
    {
        var error = Fails("Label\tText\na|b\tone\na|B\ttwo\n", Columns with { Kind = TaskKind.MultiLabel, Labels = ["a", "b"] });
        Assert.AreEqual(3, error.Line);
        StringAssert.Contains(error.Message, "'B'; known are a, b.");
    }

    [TestMethod]
    [DataRow("Regression", "NaN")]
    [DataRow("Regression", "∞")]
    [DataRow("Regression", "1e60")]
    [DataRow("Regression", "4,5 stars")]
    [DataRow("Regression", "")]
    [DataRow("Binary", "2")]
    [DataRow("Binary", "perhaps")]
    [DataRow("Multiclass", " ")]
    public void ALabelThatDoesNotFitItsKindIsRefused(string kind, string label)
    {
        var error = Fails($"Label\tText\n{label}\ta\n", Columns with { Kind = Enum.Parse<TaskKind>(kind) });
        Assert.AreEqual(2, error.Line);
        Assert.AreEqual("Label", error.Column);
    }

    [TestMethod]
    [DataRow("", "empty")]
    [DataRow("Label\tText\n", "no row")]
    public void AFileWithoutRowsIsRefused(string content, string reason) => StringAssert.Contains(Fails(content, Columns).Message, reason);

    [TestMethod]
    public void AnEmptyFileWithoutHeaderIsRefused() =>
        StringAssert.Contains(Fails("", Columns with { HasHeader = false, Text = "1", Label = "2" }).Message, "empty");

    private static IReadOnlyList<TextFileRow> Read(string content, TextLayout layout, Action<long>? malformed = null)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "data.tsv");
        File.WriteAllText(path, content);
        return TextFile.ReadAll(path, layout, malformed);
    }

    private static GlueDataException Fails(string content, TextLayout layout)
    {
        var error = Assert.ThrowsExactly<GlueDataException>(() => Read(content, layout));
        StringAssert.Contains(error.Message, "data.tsv");
        return error;
    }
}
