using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Data.Files;
using Microsoft.ML.LoraInit.Samples.Output;
using Parquet;
using Parquet.Schema;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>Rows in each format of file.</summary>
[TestClass]
public sealed class DataFileTests
{
    private static readonly TextLayout Columns = new() { Name = "multiclass", Kind = TaskKind.Multiclass, Text = "Text", Label = "Label" };

    [TestMethod]
    public void ACellInQuotationMarksHoldsCommasMarksAndLines()
    {
        var rows = Read(DataFormat.Csv, "Text,Label\r\n\"one, \"\"two\"\"\nthree\",a\r\n\r\nplain \"word\",b");
        CollectionAssert.AreEqual(new[] { "one, \"two\"\nthree", "plain \"word\"" }, rows.Select(r => r.Text).ToArray());
        CollectionAssert.AreEqual(new long[] { 2, 5 }, rows.Select(r => r.Line).ToArray());
    }

    [TestMethod]
    [DataRow("Text;Label\na, b;x\n", null)]
    [DataRow("Text\tLabel\na, b\tx\n", null)]
    [DataRow("Text|Label\na, b|x\n", null)]
    [DataRow("\"Text, or so\"|Label|Text\n1|x|a, b\n", null)]
    [DataRow("Text^Label\na, b^x\n", '^')]
    public void TheDelimiterIsTheFirstLinesOrTheOneGiven(string content, char? delimiter) =>
        Assert.AreEqual(new TextFileRow("a, b", null, "x"), Read(DataFormat.Csv, content, delimiter).Single());

    [TestMethod]
    public void TwoPossibleDelimitersAreAsked()
    {
        var error = Assert.ThrowsExactly<UsageException>(() => Read(DataFormat.Csv, "Text, long;Label\na;b\n"));
        StringAssert.Contains(error.Message, "',' and ';'");
        StringAssert.Contains(error.Message, "--delimiter");
    }

    [TestMethod]
    [DataRow("Label,Text\nx,fine\ny,\"open, to the end\nz,more\n", 3L, "Text", "does not end")]
    [DataRow("Label,Text\nx,5\" disk\ny,a 3\" disk\n", 2L, "Text", "double those inside")]
    [DataRow("Label,Text\n\"x\" y,a\n", 2L, "Label", "double the quotation marks inside")]
    [DataRow("Label,Text\n\"x\ny\",a\nb\n", 4L, null, "1 column found, 2 expected")]
    public void WrongQuotingNamesLineAndColumn(string content, long line, string? column, string problem)
    {
        var error = Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Csv, content));
        Assert.AreEqual(line, error.Line);
        Assert.AreEqual(column, error.Column);
        StringAssert.Contains(error.Message, problem);
    }

    [TestMethod]
    public void MalformedLinesOfAnyFormatCanBeLeftOut()
    {
        var skip = Columns with { SkipMalformed = true };
        Assert.AreEqual("b", Read(DataFormat.Csv, "Label,Text\n\"x\" y,a\nz,b\n", layout: skip).Single().Text);
        Assert.AreEqual("b", Read(DataFormat.Jsonl, "{\"Text\":\"b\",\"Label\":\"z\"}\n{\"Text\":\n[1]\n", layout: skip).Single().Text);
    }

    [TestMethod]
    public void JsonLinesHaveTheirKeysInAnyOrder()
    {
        var rows = Read(DataFormat.Jsonl, "{\"id\":1,\"Text\":\"a\\n\\\"b\\\"\",\"Label\":\"x\"}\n\n{\"Label\":3,\"Text\":\"c\",\"more\":{}}\n".Replace(",\"more\":{}", "", StringComparison.Ordinal));
        CollectionAssert.AreEqual(new[] { new TextFileRow("a\n\"b\"", null, "x"), new TextFileRow("c", null, "3") }, rows.ToArray());
    }

    [TestMethod]
    public void AListIsALabelOfSeveral()
    {
        var layout = Columns with { Kind = TaskKind.MultiLabel };
        Assert.AreEqual("a|b", Read(DataFormat.Jsonl, "{\"Text\":\"t\",\"Label\":[\"a\",\"b\"]}", layout: layout).Single().Label);
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Jsonl, "{\"Text\":\"t\",\"Label\":[\"a|b\"]}", layout: layout)).Message, "a|b");
    }

    [TestMethod]
    [DataRow("{\"Text\":\"a\",\"Label\":\"x\"}\n{\"Text\":\"b\"}\n", 2L, "Label", "no value")]
    [DataRow("{\"Text\":\"a\",\"Label\":\"x\"}\nText\n", 2L, null, "not JSON")]
    [DataRow("[\"a\",\"x\"]\n", 1L, null, "not a JSON object")]
    [DataRow("{\"Text\":{\"en\":\"a\"},\"Label\":\"x\"}\n", 1L, "Text", "neither a text nor a label")]
    public void WrongJsonNamesLineAndKey(string content, long line, string? column, string problem)
    {
        var error = Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Jsonl, content));
        Assert.AreEqual(line, error.Line);
        Assert.AreEqual(column, error.Column);
        StringAssert.Contains(error.Message, problem);
    }

    [TestMethod]
    public async Task ParquetGivesTextsAndNumbers()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("rows.parquet");
        DataField text = new DataField<string>("Text"), label = new DataField<long>("Label");
        using (var stream = File.Create(path))
        {
            await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text, label), stream);
            foreach (var (texts, labels) in new[] { (new[] { "a", "b" }, new long[] { 7, 8 }), (["c"], [9]) })
            {
                using var group = writer.CreateRowGroup();
                await group.WriteAsync(text, texts);
                await group.WriteAsync<long>(label, labels);
            }
        }
        using var file = DataFile.Open(path, DataFormats.Of(path), null, Columns, Terminal.System);
        CollectionAssert.AreEqual(
            new[] { new TextFileRow("a", null, "7"), new TextFileRow("b", null, "8"), new TextFileRow("c", null, "9") }, file.ReadAll(Columns, Terminal.System).ToArray());
    }

    [TestMethod]
    public void AFileThatIsNotParquetIsNamed() =>
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Parquet, "Text,Label\n")).Message, "Parquet");

    private static IReadOnlyList<TextFileRow> Read(DataFormat format, string content, char? delimiter = null, TextLayout? layout = null)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("rows"), content);
        using var file = DataFile.Open(folder.File("rows"), format, delimiter, layout ?? Columns, Terminal.System);
        return file.ReadAll(layout ?? Columns, Terminal.System);
    }
}
