using System.IO.Compression;
using System.Text;
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
    public async Task ParquetsSmallNumbersAreLabelsToo()
    {
        using var folder = new TemporaryFolder();
        DataField text = new DataField<string>("Text"), small = new DataField<short?>("Small"), exact = new DecimalDataField("Exact", 6, 2, isNullable: false);
        using (var stream = File.Create(folder.File("rows.parquet")))
        {
            await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text, small, exact), stream);
            using var group = writer.CreateRowGroup();
            await group.WriteAsync(text, new[] { "a", "b" });
            await group.WriteAsync<short>(small, new short?[] { 3, null });
            await group.WriteAsync<decimal>(exact, new[] { 1.5m, 2m });
        }
        string?[] Labels(TextLayout layout)
        {
            using var file = DataFile.Open(folder.File("rows.parquet"), DataFormat.Parquet, null, layout, Terminal.System);
            return [.. file.ReadAll(layout, Terminal.System).Select(r => r.Label)];
        }
        CollectionAssert.AreEqual(new[] { "3" }, Labels(Columns with { Label = "Small", SkipMalformed = true }));
        StringAssert.StartsWith(Labels(Columns with { Label = "Exact" })[0], "1.5");
    }

    [TestMethod]
    public void ALineWithoutAnEndIsRefusedBeforeItFillsTheMemory()
    {
        using var folder = new TemporaryFolder();
        using (var pack = new GZipStream(File.Create(folder.File("rows.tsv.gz")), CompressionLevel.Fastest))
        {
            pack.Write("Text\tLabel\n"u8);
            for (int i = 0; i < 70; i++)
                pack.Write(new byte[1 << 20].AsSpan());
        }
        using var file = DataFile.Open(folder.File("rows.tsv.gz"), DataFormat.Tsv, null, Columns, Terminal.System);
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => file.ReadAll(Columns, Terminal.System)).Message, "line 2: the line has more than 64 MB");
    }

    /// <summary>At the end of a line nothing but the archive itself tells. In a process of its own: .NET is told once to look.</summary>
    [TestMethod]
    public async Task AnArchiveThatWasCutOffIsNotTakenForAWholeOne()
    {
        using var folder = new TemporaryFolder();
        using (var file = File.Create(folder.File("rows.tsv.gz")))
        using (var pack = new GZipStream(file, CompressionLevel.Fastest))
        {
            pack.Write("Text\tLabel\na\t0\nb\t1\n"u8);
            pack.Flush();
            long whole = file.Length;
            pack.Write("c\t1\n"u8);
            pack.Dispose();
            using var cut = new FileStream(folder.File("rows.tsv.gz"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            cut.SetLength(whole);
        }
        var run = await CommandLineRun.ChildProcess("train", "--train", folder.File("rows.tsv.gz"), "--kind", "binary", "--model", folder.File("m.mlnet"));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode, run.Output);
        StringAssert.Contains(run.Errors.Single(), "rows.tsv.gz: this cannot be unpacked as gzip");
    }

    [TestMethod]
    public void AFileThatIsNotParquetIsNamed() =>
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Parquet, "Text,Label\n")).Message, "Parquet");

    [TestMethod]
    public void WhatNobodyReadsMayBeAnything()
    {
        var rows = Read(DataFormat.Jsonl, "{\"Text\":\"a\",\"Label\":\"x\",\"meta\":{\"id\":1},\"vector\":[0.5]}\n");
        Assert.AreEqual(new TextFileRow("a", null, "x"), rows.Single());
    }

    [TestMethod]
    public void AListIsNoTextAndNoSingleLabel()
    {
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Jsonl, "{\"Text\":\"t\",\"Label\":[\"a\"]}")).Message, "multilabel");
        var layout = Columns with { Kind = TaskKind.MultiLabel };
        Assert.AreEqual("Text", Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Jsonl, "{\"Text\":[\"t\"],\"Label\":[1,2]}", layout: layout)).Column);
    }

    [TestMethod]
    [DataRow("[{\"Text\":\"a\",\"Label\":\"x\"},{\"Text\":\"b\",\"Label\":\"x\"}]")]
    [DataRow("\n[\n  {\n    \"Text\": \"a\", \"Label\": \"x\"\n  },\n  { \"Text\": \"b\", \"Label\": \"x\" }\n]\n")]
    public void AFileOfJsonMayBeAListOfObjects(string content) =>
        CollectionAssert.AreEqual(new long[] { 1, 2 }, Read(DataFormat.Jsonl, content).Select(r => r.Line).ToArray());

    [TestMethod]
    [DataRow("rows.csv.gz", "Csv")]
    [DataRow("rows.JSON", "Jsonl")]
    [DataRow("rows.gz", "Tsv")]
    public void TheEndingTellsTheFormatUnderGzipToo(string name, string format) => Assert.AreEqual(format, DataFormats.Of(name).ToString());

    [TestMethod]
    public void ACompressedFileIsUnpacked()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new StreamWriter(new GZipStream(File.Create(folder.File("rows.csv.gz")), CompressionLevel.Fastest)))
            writer.Write("Text,Label\na,x\n");
        using var file = DataFile.Open(folder.File("rows.csv.gz"), DataFormat.Csv, null, Columns, Terminal.System);
        Assert.AreEqual("a", file.ReadAll(Columns, Terminal.System).Single().Text);
    }

    [TestMethod]
    [DataRow(new byte[] { 0x50, 0x4B, 3, 4, 20, 0 }, "Excel")]
    [DataRow(new byte[] { 0x1F, 0x8B, 8, 0 }, ".gz")]
    [DataRow(new byte[] { (byte)'T', 0, (byte)'e', 0 }, "UTF-16")]
    [DataRow(new byte[] { (byte)'P', (byte)'A', (byte)'R', (byte)'1' }, "--format parquet")]
    public void WhatIsNoTextIsNamed(byte[] content, string what) =>
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Csv, content)).Message, what);

    [TestMethod]
    [DataRow("Csv")]
    [DataRow("Tsv")]
    public void TheLineThatIsNotUtf8IsNamed(string format)
    {
        byte[] content = [.. "Text,Label\na,x\n"u8, .. Encoding.Latin1.GetBytes("caf\u00e9,x\n"), .. "b,x\n"u8];
        var error = Assert.ThrowsExactly<GlueDataException>(() => Read(Enum.Parse<DataFormat>(format), content));
        Assert.AreEqual(3L, error.Line);
        StringAssert.Contains(error.Message, "UTF-8");
    }

    [TestMethod]
    [DataRow("sep=;\r\nText;Label\r\na, b;x\r\n")]
    [DataRow("Text,Label\r\"a, b\",x\r")]
    public void ExcelsFirstLineAndOldLineEndsAreUnderstood(string content) =>
        Assert.AreEqual(new TextFileRow("a, b", null, "x"), Read(DataFormat.Csv, content).Single());

    [TestMethod]
    public void ARowWithoutAValueCanBeLeftOut()
    {
        const string Content = "{\"Text\":\"a\",\"Label\":\"x\"}\n{\"Text\":\"b\"}\n{\"Text\":{},\"Label\":\"x\"}\n";
        Assert.AreEqual("a", Read(DataFormat.Jsonl, Content, layout: Columns with { SkipMalformed = true }).Single().Text);
    }

    [TestMethod]
    public void ANameThatIsThereTwiceMattersWhereItIsMeant()
    {
        const string Content = "Text,Label,note,note\na,x,1,2\n";
        Assert.AreEqual("a", Read(DataFormat.Csv, Content).Single().Text);
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Csv, Content, layout: Columns with { Label = "note" })).Message, "by its number");
        Assert.AreEqual("2", Read(DataFormat.Csv, Content, layout: Columns with { Label = "4" }).Single().Label);
    }

    [TestMethod]
    [DataRow("yes", true)]
    [DataRow("1.0", true)]
    [DataRow(" No", false)]
    [DataRow("FALSE", false)]
    public void YesAndNoAreWrittenInManyWays(string label, bool value)
    {
        Assert.IsTrue(BinaryLabel.TryParse(label, out bool read));
        Assert.AreEqual(value, read);
        Assert.IsFalse(BinaryLabel.TryParse("2", out _));
    }

    [TestMethod]
    public void OfManyClassesAMessageListsTheFirst()
    {
        var layout = Columns with { Labels = [.. Enumerable.Range(0, 77).Select(i => $"class {i}")] };
        StringAssert.EndsWith(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Csv, "Text,Label\na,b\n", layout: layout)).Message, "class 19 and 57 more.");
    }

    [TestMethod]
    public void ADecimalCommaIsExplained() =>
        StringAssert.Contains(Assert.ThrowsExactly<GlueDataException>(() => Read(DataFormat.Csv, "Text;Label\na;3,5\n", layout: Columns with { Kind = TaskKind.Regression })).Message, "point");

    private static IReadOnlyList<TextFileRow> Read(DataFormat format, byte[] content)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("rows"), content);
        using var file = DataFile.Open(folder.File("rows"), format, null, Columns, Terminal.System);
        return file.ReadAll(Columns, Terminal.System);
    }

    private static IReadOnlyList<TextFileRow> Read(DataFormat format, string content, char? delimiter = null, TextLayout? layout = null)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("rows"), content);
        using var file = DataFile.Open(folder.File("rows"), format, delimiter, layout ?? Columns, Terminal.System);
        return file.ReadAll(layout ?? Columns, Terminal.System);
    }
}
