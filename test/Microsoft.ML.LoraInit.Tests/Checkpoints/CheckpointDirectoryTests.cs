using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

[TestClass]
public sealed class CheckpointDirectoryTests
{
    [TestMethod]
    public void ShardsGiveTheSameWeightsAsOneFile()
    {
        using var single = new TemporaryFolder();
        using var sharded = new TemporaryFolder();
        TinyCheckpoint.Write(single.Path, TinyCheckpoint.Files());
        TinyCheckpoint.Write(sharded.Path, TinyCheckpoint.ShardedFiles());

        using var one = Open(single);
        using var two = Open(sharded);
        using var oneWeights = one.LoadWeights(CPU, ScalarType.Float32);
        using var twoWeights = two.LoadWeights(CPU, ScalarType.Float32);

        Assert.AreEqual(21, oneWeights.Tensors.Count);
        foreach (var (name, tensor) in oneWeights.Tensors)
            CollectionAssert.AreEqual(tensor.bytes.ToArray(), twoWeights[name].bytes.ToArray(), name);
        Assert.AreNotEqual(one.Identity.Sha256, two.Identity.Sha256);
    }

    [TestMethod]
    public void ShardedHashIsThatOfTheFilesInOrder()
    {
        using var folder = new TemporaryFolder();
        var files = TinyCheckpoint.ShardedFiles();
        TinyCheckpoint.Write(folder.Path, files);
        byte[] all = [.. files["model-00001-of-00002.safetensors"], .. files["model-00002-of-00002.safetensors"]];

        using var checkpoint = Open(folder);

        Assert.AreEqual(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(all)), checkpoint.Identity.Sha256);
    }

    [TestMethod]
    public void AChangedFileHasAnotherHash()
    {
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files(seed: 1));
        string Hash()
        {
            using var checkpoint = Open(folder);
            return checkpoint.Identity.Sha256;
        }
        var first = Hash();
        Assert.AreEqual(first, Hash());

        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files(seed: 2));
        File.SetLastWriteTimeUtc(folder.File("model.safetensors"), DateTime.UtcNow.AddSeconds(2));

        Assert.AreNotEqual(first, Hash());
    }

    [TestMethod]
    public void ABareEncoderWithoutPrefixLoads()
    {
        using var folder = new TemporaryFolder();
        Spoil(folder, tensors => tensors.ToDictionary(t => t.Key["roberta.".Length..], t => t.Value));
        using var files = Open(folder);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        Assert.IsTrue(weights.Tensors.ContainsKey("roberta.embeddings.word_embeddings.weight"));
    }

    [TestMethod]
    public void HeadsPoolerAndPositionIdsAreTolerated()
    {
        using var folder = new TemporaryFolder();
        string[] beside = ["lm_head.bias", "classifier.dense.weight", "roberta.pooler.dense.weight", "roberta.embeddings.position_ids"];
        Spoil(folder, tensors => beside.Aggregate(tensors, (all, name) => all.Append(KeyValuePair.Create(name, ones(3))).ToDictionary()));
        using var files = Open(folder);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        Assert.AreEqual(21, weights.Tensors.Count);
        using var scope = NewDisposeScope();
        var head = files.LoadTensors(n => n.StartsWith("classifier.", StringComparison.Ordinal), CPU, ScalarType.Float64);
        Assert.AreEqual(3.0, head["classifier.dense.weight"].sum().item<double>());
    }

    [TestMethod]
    public void AMissingTensorIsNamed() =>
        Refused(tensors => { tensors.Remove("roberta.encoder.layer.0.output.dense.bias"); return tensors; }, "lacks 1", "'roberta.encoder.layer.0.output.dense.bias'");

    [TestMethod]
    public void ASurplusTensorIsNamed() =>
        Refused(tensors => { tensors["roberta.encoder.layer.1.output.dense.bias"] = ones(8); return tensors; }, "no place", "'roberta.encoder.layer.1.output.dense.bias'");

    [TestMethod]
    public void AWrongShapeIsNamed() =>
        Refused(tensors => { tensors["roberta.encoder.layer.0.output.dense.bias"] = ones(9); return tensors; }, "[9]", "[8]", "'roberta.encoder.layer.0.output.dense.bias'");

    [TestMethod]
    public void WholeNumbersAreNoWeights() =>
        Refused(tensors => { tensors["roberta.embeddings.LayerNorm.bias"] = ones(8, ScalarType.Int64); return tensors; }, "I64", "'roberta.embeddings.LayerNorm.bias'");

    [TestMethod]
    public void ATruncatedWeightsFileIsRefused()
    {
        using var folder = new TemporaryFolder();
        var files = TinyCheckpoint.Files();
        files["model.safetensors"] = files["model.safetensors"][..^10];
        TinyCheckpoint.Write(folder.Path, files);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(folder));
        StringAssert.Contains(error.Message, "truncated");
        StringAssert.Contains(error.Message, "model.safetensors");
    }

    [TestMethod]
    public void AnUnknownArchitectureIsRefused()
    {
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files());
        File.WriteAllText(folder.File("config.json"), TinyCheckpoint.ConfigWith("model_type", "\"deberta-v2\""));
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(folder));
        StringAssert.Contains(error.Message, "deberta-v2");
    }

    [TestMethod]
    [DataRow("config.json")]
    [DataRow("vocab.json")]
    [DataRow("merges.txt")]
    [DataRow("model.safetensors")]
    public void AMissingFileIsNamed(string name)
    {
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files());
        File.Delete(folder.File(name));
        var error = Assert.ThrowsExactly<FileNotFoundException>(() => Open(folder));
        StringAssert.Contains(error.Message, name);
        StringAssert.Contains(error.Message, folder.Path);
    }

    [TestMethod]
    public void APickleIsRefusedWithAdvice()
    {
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files());
        File.Move(folder.File("model.safetensors"), folder.File("pytorch_model.bin"));
        var error = Assert.ThrowsExactly<NotSupportedException>(() => Open(folder));
        StringAssert.Contains(error.Message, "save_pretrained");
    }

    [TestMethod]
    [DataRow("../model.safetensors")]
    [DataRow("/etc/model.safetensors")]
    [DataRow("sub/model.safetensors")]
    [DataRow("..\\\\model.safetensors")]
    [DataRow("model.bin")]
    [DataRow("")]
    public void AnIndexMustStayInItsFolder(string target)
    {
        using var folder = new TemporaryFolder();
        var files = TinyCheckpoint.ShardedFiles();
        files["model.safetensors.index.json"] = Encoding.UTF8.GetBytes($$$"""{"weight_map":{"a.weight":"{{{target}}}"}}""");
        TinyCheckpoint.Write(folder.Path, files);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(folder));
        StringAssert.Contains(error.Message, "'a.weight'");
        StringAssert.Contains(error.Message, "same folder");
    }

    [TestMethod]
    [DataRow("{}", "weight_map")]
    [DataRow("""{"weight_map":{}}""", "no tensors")]
    [DataRow("nonsense", "not valid JSON")]
    public void AnInvalidIndexIsRefused(string json, string reason)
    {
        using var folder = new TemporaryFolder();
        var files = TinyCheckpoint.ShardedFiles();
        files["model.safetensors.index.json"] = Encoding.UTF8.GetBytes(json);
        TinyCheckpoint.Write(folder.Path, files);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(folder));
        StringAssert.Contains(error.Message, reason);
    }

    [TestMethod]
    public void AMissingShardIsNamed()
    {
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.ShardedFiles());
        File.Delete(folder.File("model-00002-of-00002.safetensors"));
        var error = Assert.ThrowsExactly<FileNotFoundException>(() => Open(folder));
        StringAssert.Contains(error.Message, "model-00002-of-00002.safetensors");
    }

    [TestMethod]
    public void OneTensorInTwoShardsIsRefused()
    {
        using var folder = new TemporaryFolder();
        var files = TinyCheckpoint.ShardedFiles();
        files["model-00002-of-00002.safetensors"] = files["model-00001-of-00002.safetensors"];
        TinyCheckpoint.Write(folder.Path, files);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(folder));
        StringAssert.Contains(error.Message, "two weight files");
    }

    [TestMethod]
    public void AMissingFolderIsNamed()
    {
        var error = Assert.ThrowsExactly<DirectoryNotFoundException>(() => RobertaCheckpoint.FromDirectory("/no/such/folder").Open(null, CancellationToken.None));
        StringAssert.Contains(error.Message, "/no/such/folder");
    }

    [TestMethod]
    public void ParseTellsTheSourcesApart()
    {
        using var folder = new TemporaryFolder();
        Assert.AreSame(RobertaCheckpoint.Mini, RobertaCheckpoint.Parse("mini"));
        Assert.AreEqual(folder.Path, RobertaCheckpoint.Parse(folder.Path + "/").Id);
        Assert.AreEqual("FacebookAI/roberta-base", RobertaCheckpoint.Parse("FacebookAI/roberta-base").Id);
        Assert.AreEqual("owner/name@refs/pr/1", RobertaCheckpoint.Parse("owner/name@refs/pr/1").Id);
        Assert.AreEqual("owner/name", RobertaCheckpoint.FromHub("owner/name", new HubOptions { Revision = "main" }).Id);
        foreach (var bad in new[] { "./nowhere", "/no/where", "a/b/c", "a b", "../x", "owner/name@", "owner/name@../x", "a//b", "" })
            Assert.Throws<ArgumentException>(() => RobertaCheckpoint.Parse(bad), bad);
        File.WriteAllText(folder.File("model.safetensors"), "");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => RobertaCheckpoint.Parse(folder.File("model.safetensors"))).Message, "is a file; name the folder");
    }

    private static LoraInit.Checkpoints.CheckpointFiles Open(TemporaryFolder folder) =>
        RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None);

    private static void Spoil(TemporaryFolder folder, Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> change)
    {
        using var scope = NewDisposeScope();
        var files = TinyCheckpoint.Files();
        files["model.safetensors"] = TinyCheckpoint.Safetensors(change(TinyCheckpoint.Tensors()));
        TinyCheckpoint.Write(folder.Path, files);
    }

    private static void Refused(Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> change, params string[] expected)
    {
        using var folder = new TemporaryFolder();
        Spoil(folder, change);
        using var files = Open(folder);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => files.LoadWeights(CPU, ScalarType.Float32));
        foreach (var text in expected)
            StringAssert.Contains(error.Message, text);
        StringAssert.Contains(error.Message, folder.Path);
    }
}
