using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

[TestClass]
public sealed class MiniCheckpointTests
{
    [TestMethod]
    public void OpensWithConfigVocabularyAndWeights()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);

        Assert.AreEqual(4, files.Config.Layers);
        Assert.AreEqual(8192, files.Config.VocabularySize);
        Assert.AreEqual(512, files.Config.MaxLength);
        Assert.AreEqual("mini", files.Identity.Id);
        using var vocabulary = System.Text.Json.JsonDocument.Parse(files.OpenVocabulary("vocab.json"));
        Assert.AreEqual(8192, vocabulary.RootElement.EnumerateObject().Count());
        using var merges = new StreamReader(files.OpenVocabulary("merges.txt"));
        Assert.IsTrue(merges.ReadToEnd().Length > 1000);
    }

    [TestMethod]
    public void WeightsAreWidenedExactlyAndHeadsLeftOut()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var scope = NewDisposeScope();
        var half = files.LoadTensors(_ => true, CPU, ScalarType.Float16);

        Assert.AreEqual(5 + 4 * 16, weights.Tensors.Count);
        foreach (var (name, tensor) in weights.Tensors)
        {
            Assert.AreEqual(ScalarType.Float32, tensor.dtype, name);
            var stored = half[name].data<Half>().ToArray();
            CollectionAssert.AreEqual(Array.ConvertAll(stored, h => (float)h), tensor.data<float>().ToArray(), name);
        }
        Assert.IsTrue(half.ContainsKey("lm_head.dense.weight"));
    }

    [TestMethod]
    public void DirectoryOfTheSameFilesHasTheSameHash()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in LoraInit.Data.RobertaMiniData.FileNames)
        {
            using var source = LoraInit.Data.RobertaMiniData.Open(name);
            using var target = File.Create(folder.File(name));
            source.CopyTo(target);
        }
        using var embedded = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var files = RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None);

        Assert.AreEqual(embedded.Identity.Sha256, files.Identity.Sha256);
        Assert.AreEqual(64, files.Identity.Sha256.Length);
        Assert.AreEqual(embedded.ConfigJson, files.ConfigJson);
        CollectionAssert.AreEquivalent(embedded.TensorNames.ToArray(), files.TensorNames.ToArray());
    }

    [TestMethod]
    public void MissingPackageIsNamed()
    {
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => EmbeddedCheckpoint.Resource("No.Such.Package"));
        StringAssert.Contains(error.Message, "dotnet add package No.Such.Package");
    }
}
