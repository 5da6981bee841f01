using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public sealed class GlueTaskTests : IDisposable
{
    private readonly MLContext _ml = new(seed: 0);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void LabelsAreKeysInTheTasksOrderWhateverTheFileHas()
    {
        // Only the second class occurs, and yet it is the second.
        Write("RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n0\tA \"b.\tC.\tnot_entailment\n");
        Write("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\r\n0\tD.\tE.\tentailment\r\n1\tF.\tG.\tnot_entailment\r\n");
        var data = GlueTask.Rte.Load(_ml, _folder.Path);
        var label = data.Train.Schema["Label"];
        Assert.AreEqual(2u, (uint)((KeyDataViewType)label.Type).Count);
        VBuffer<ReadOnlyMemory<char>> names = default;
        label.GetKeyValues(ref names);
        CollectionAssert.AreEqual(new[] { "entailment", "not_entailment" }, names.DenseValues().Select(n => n.ToString()).ToArray());
        CollectionAssert.AreEqual(new uint[] { 2 }, data.Train.GetColumn<uint>("Label").ToArray());
        CollectionAssert.AreEqual(new uint[] { 1, 2 }, data.Validation.GetColumn<uint>("Label").ToArray());
        CollectionAssert.AreEqual(new[] { "A \"b." }, data.Train.GetColumn<string>("Text").ToArray());
        CollectionAssert.AreEqual(new[] { "E.", "G." }, data.Validation.GetColumn<string>("Text2").ToArray());
        Assert.AreEqual(1, data.TrainRows);
        Assert.AreEqual(2, data.ValidationRows);
        Assert.AreEqual(_folder.File(Path.Combine("RTE", "dev.tsv")), data.ValidationFile);
    }

    [TestMethod]
    public void SingleTextsHaveNoSecondColumnAndTheTasksOwnFolderServes()
    {
        Write("train.tsv", "\uFEFFsentence\tlabel\ngood \t1\nbad\t0\n");
        Write("dev.tsv", "sentence\tlabel\nfine\t1\n");
        var data = GlueTask.Sst2.Load(_ml, _folder.Path, new() { TrainRows = 1 });
        Assert.IsNull(data.Train.Schema.GetColumnOrNull("Text2"));
        Assert.AreEqual(1, data.TrainRows);
        CollectionAssert.AreEqual(new[] { "good " }, data.Train.GetColumn<string>("Text").ToArray());
    }

    [TestMethod]
    [DataRow("sts-train.csv", "sts-dev.csv", "m\tf\t2012\t1\t2.500\tA\tB\n", "m\tf\t2012\t1\t4\tC\tD\tx\ty\n")]
    [DataRow("train.tsv", "dev.tsv", "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n0\tg\tf\t2012\t1\tnone\tnone\tA\tB\t2.500\n", "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n0\tg\tf\t2012\t1\tnone\tnone\tC\tD\t4\n")]
    public void BothPublishedLayoutsOfStsBAreRead(string trainFile, string devFile, string train, string dev)
    {
        Write($"STS-B/{trainFile}", train);
        Write($"STS-B/{devFile}", dev);
        var data = GlueTask.StsB.Load(_ml, _folder.Path);
        CollectionAssert.AreEqual(new[] { 2.5f }, data.Train.GetColumn<float>("Label").ToArray());
        CollectionAssert.AreEqual(new[] { 4f }, data.Validation.GetColumn<float>("Label").ToArray());
        CollectionAssert.AreEqual(new[] { "D" }, data.Validation.GetColumn<string>("Text2").ToArray());
    }

    [TestMethod]
    [DataRow("sentence\tlabel\nx\t2\n", 2L, "label", "unknown label '2'")]
    [DataRow("sentence\tlabel\nx\t1\nx\t1\t1\n", 3L, null, "3 columns found, 2 expected")]
    [DataRow("sentence\tlabel\n", null, null, "no row")]
    [DataRow("", null, null, "empty")]
    [DataRow("text\tlabel\nx\t1\n", 1L, "sentence", "no such column")]
    public void AMalformedDevSetIsNamedByFileLineAndColumn(string dev, long? line, string? column, string reason)
    {
        Write("SST-2/train.tsv", "sentence\tlabel\nx\t1\n");
        Write("SST-2/dev.tsv", dev);
        var error = Assert.ThrowsExactly<GlueDataException>(() => GlueTask.Sst2.Load(_ml, _folder.Path));
        Assert.AreEqual(_folder.File(Path.Combine("SST-2", "dev.tsv")), error.Path);
        Assert.AreEqual(line, error.Line);
        Assert.AreEqual(column, error.Column);
        StringAssert.Contains(error.Message, reason);
    }

    [TestMethod]
    public void AScoreThatIsNoNumberIsRefused()
    {
        Write("STS-B/sts-train.csv", "m\tf\t2012\t1\tNaN\tA\tB\n");
        Write("STS-B/sts-dev.csv", "m\tf\t2012\t1\t1\tA\tB\n");
        var error = Assert.ThrowsExactly<GlueDataException>(() => GlueTask.StsB.Load(_ml, _folder.Path));
        Assert.AreEqual((1L, "5"), (error.Line!.Value, error.Column!));
    }

    [TestMethod]
    public void ALineOfAMegabyteIsARow()
    {
        var text = new string('x', 1 << 20);
        Write("SST-2/train.tsv", $"sentence\tlabel\n{text}\t1\nshort\t0\n");
        Write("SST-2/dev.tsv", "sentence\tlabel\nx\t1\n");
        Assert.AreEqual(text.Length, GlueTask.Sst2.Load(_ml, _folder.Path).Train.GetColumn<string>("Text").First().Length);
    }

    [TestMethod]
    public void MissingFilesAndFoldersAreNamed()
    {
        StringAssert.Contains(Fails(_folder.File("none")), "no such folder");
        StringAssert.Contains(Fails(_folder.Path), "SST-2");
        Write("SST-2/train.tsv", "sentence\tlabel\nx\t1\n");
        StringAssert.Contains(Fails(_folder.Path), "dev.tsv");

        string Fails(string folder) => Assert.ThrowsExactly<GlueDataException>(() => GlueTask.Sst2.Load(_ml, folder)).Message;
    }

    [TestMethod]
    public void MalformedLinesMayBeLeftOutAndAreCounted()
    {
        Write("QQP/train.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tA?\tB?\t0\nbroken\n");
        Write("QQP/dev.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tA?\tB?\t1\n");
        Assert.AreEqual(1, GlueTask.Qqp.Load(_ml, _folder.Path, new() { SkipMalformed = true }).SkippedLines);
        Assert.ThrowsExactly<GlueDataException>(() => GlueTask.Qqp.Load(_ml, _folder.Path));
    }

    [TestMethod]
    public void NamesAreFoundAndUnknownOnesListed()
    {
        foreach (var task in GlueTask.All)
        {
            Assert.AreSame(task, GlueTask.Parse(task.Name.ToUpperInvariant()));
            Assert.AreSame(task, GlueTask.Parse(task.DisplayName));
        }
        Assert.AreEqual(10, GlueTask.All.Count);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => GlueTask.Parse("snli")).Message, "cola, sst2");
    }

    [TestMethod]
    public void RecipesAreThePapers()
    {
        var lora = GlueTask.Cola.Recipes.First(r => r.Source.StartsWith("LoRA", StringComparison.Ordinal));
        Assert.AreEqual(("FacebookAI/roberta-base", 8, 8.0, 4e-4, 32, 80), (lora.BaseModel, lora.Rank, lora.Alpha, lora.LearningRate, lora.BatchSize, lora.Epochs));
        Assert.IsTrue(GlueTask.Rte.Recipes[0].Source.Contains("MNLI", StringComparison.Ordinal));
        Assert.AreEqual(3, GlueTask.StsB.Recipes.Count);
        Assert.AreEqual(2, GlueTask.MnliMismatched.Recipes.Count);
        Assert.AreEqual(0, GlueTask.Wnli.Recipes.Count);
        Assert.IsTrue(GlueTask.All.SelectMany(t => t.Recipes).All(r => r.Source.Contains("arXiv", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow("cola", 8551, 1043)]
    [DataRow("sst2", 67349, 872)]
    [DataRow("mrpc", 3668, 408)]
    [DataRow("rte", 2490, 277)]
    [DataRow("stsb", 5749, 1500)]
    [DataRow("qnli", 9999, 5463)]
    public void TheRealFilesLoad(string task, int train, int dev)
    {
        var data = GlueTask.Parse(task).Load(_ml, ParityData.RequireShared("glue"));
        Assert.AreEqual((train, dev), (data.TrainRows, data.ValidationRows));
        Assert.AreEqual(train, data.Train.GetColumn<string>("Text").Count());
    }

    private void Write(string name, string content)
    {
        var path = _folder.File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }
}
