using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Tests.Glue.Reading;

[TestClass]
public sealed class GlueLayoutsTests
{
    [TestMethod]
    [DataRow("cola", "ab01\t0\t*\tOne \"two.\n", "One \"two.", null, "0")]
    [DataRow("sst2", "sentence\tlabel\nfine \t1\n", "fine ", null, "1")]
    [DataRow("mrpc", "\uFEFFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t5\t6\tHe said \"so.\tSo he said.\r\n", "He said \"so.", "So he said.", "1")]
    [DataRow("rte", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment\n", "A.", "B.", "not_entailment")]
    [DataRow("qnli", "index\tquestion\tsentence\tlabel\n0\tA?\tB.\tentailment\n", "A?", "B.", "entailment")]
    [DataRow("qqp", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tA?\tB?\t0\n", "A?", "B?", "0")]
    [DataRow("mnli", "index\tpromptID\tpairID\tgenre\ts1bp\ts2bp\ts1p\ts2p\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\t2\tg\t(\t(\t(\t(\tA.\tB.\tneutral\tcontradiction\n", "A.", "B.", "contradiction")]
    [DataRow("wnli", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\t1\n", "A.", "B.", "1")]
    [DataRow("stsb", "main\tMSRvid\t2012\t0001\t3.250\t\"A.\tB.\textra\tsource\n", "\"A.", "B.", "3.250")]
    public void ReadsThePublishedLayout(string task, string content, string text, string? text2, string label)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "data.tsv");
        File.WriteAllText(path, content);
        Assert.AreEqual(new TextFileRow(text, text2, label), TextFile.ReadAll(path, GlueLayouts.Get(task)).Single());
    }

    [TestMethod]
    public void EveryPresetIsTestedAbove()
    {
        var tested = typeof(GlueLayoutsTests).GetMethod(nameof(ReadsThePublishedLayout))!.GetCustomAttributes(typeof(DataRowAttribute), false)
            .Select(a => (string)((DataRowAttribute)a).Data[0]!).Order().ToArray();
        CollectionAssert.AreEqual(GlueLayouts.Names.Order().ToArray(), tested);
    }

    [TestMethod]
    [DataRow("cola", "CoLA", 8551)]
    [DataRow("sst2", "SST-2", 67349)]
    [DataRow("mrpc", "MRPC", 3668)]
    [DataRow("rte", "RTE", 2490)]
    [DataRow("qnli", "QNLI", null)]
    [DataRow("stsb", "STS-B", 5749)]
    public void ReadsEveryRowOfTheRealFiles(string task, string folder, int? trainRows)
    {
        foreach (var file in Directory.EnumerateFiles(ParityData.RequireShared(Path.Combine("glue", folder))))
        {
            var layout = GlueLayouts.Get(task);
            var rows = TextFile.ReadAll(file, layout);
            int lines = File.ReadAllBytes(file).AsSpan().TrimEnd((byte)'\n').Count((byte)'\n') + 1;
            Assert.AreEqual(lines - (layout.HasHeader ? 1 : 0), rows.Count, file);
            if (trainRows is not null && Path.GetFileName(file).Contains("train", StringComparison.Ordinal))
                Assert.AreEqual(trainRows, rows.Count, "the training rows that the task's owners state");
            Assert.IsTrue(rows.All(r => r.Text.Length > 0 && (layout.Text2 is null) == (r.Text2 is null)), file);
            if (layout.Labels is { } labels)
                CollectionAssert.AreEquivalent(labels.ToArray(), rows.Select(r => r.Label).Distinct().ToArray(), file);
        }
    }
}
