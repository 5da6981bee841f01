using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

/// <summary>Files that other processes change while they are read, and files that are no files.</summary>
[TestClass]
public sealed class ChangingFilesTests
{
    [TestMethod]
    [DataRow("truncated")]
    [DataRow("rewritten")]
    [DataRow("longer")]
    public void AFileThatChangesWhileItIsReadIsRefusedByName(string change)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = folder.File("a.safetensors");
        SafetensorsWriter.Write(path, Enumerable.Range(0, 4).ToDictionary(i => $"t{i}", i => zeros(4096)));
        using var file = SafetensorsFile.Open(path);
        file.Read("t0");
        Spoil(path, change);

        var error = Assert.ThrowsExactly<InvalidDataException>(() => file.Read("t3"));

        StringAssert.Contains(error.Message, path);
        StringAssert.Contains(error.Message, "while it was read");
    }

    [TestMethod]
    public void ABaseThatIsReplacedWhileItIsReadKeepsItsHashAndItsNumbers()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files(seed: 1));
        using var first = RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None);
        AtomicFile.Write(folder.File("model.safetensors"), stream => stream.Write(TinyCheckpoint.Files(seed: 2)["model.safetensors"]));
        using var second = RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None);

        using var weights = first.LoadWeights(CPU, ScalarType.Float32);

        Assert.AreNotEqual(first.Identity.Sha256, second.Identity.Sha256);
        const string Name = "roberta.embeddings.word_embeddings.weight";
        Assert.IsTrue(weights[Name].Equals(TinyCheckpoint.Tensors(seed: 1)[Name]));
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.NegativeInfinity)]
    [DataRow(1e30f)]
    public void ABaseOfNumbersThatAreNotFiniteIsRefusedByFileAndTensor(float number)
    {
        const string Name = "roberta.encoder.layer.0.attention.self.query.weight";
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var tensors = TinyCheckpoint.Tensors();
        tensors[Name][3, 2] = number;
        var files = TinyCheckpoint.Files();
        files["model.safetensors"] = TinyCheckpoint.Safetensors(tensors);
        TinyCheckpoint.Write(folder.Path, files);
        using var opened = RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None);

        var error = Assert.ThrowsExactly<InvalidDataException>(() => opened.LoadWeights(CPU, ScalarType.Float32));

        StringAssert.Contains(error.Message, folder.File("model.safetensors"));
        StringAssert.Contains(error.Message, Name);
    }

    [TestMethod]
    public void HeadsThatAreNotOursAreIgnored()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var files = TinyCheckpoint.Files();
        var tensors = TinyCheckpoint.Tensors();
        (tensors["qa_outputs.weight"], tensors["cls.predictions.bias"]) = (zeros(2, 8), zeros(16));
        files["model.safetensors"] = TinyCheckpoint.Safetensors(tensors);
        TinyCheckpoint.Write(folder.Path, files);
        using var opened = RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None);

        using var weights = opened.LoadWeights(CPU, ScalarType.Float32);

        Assert.IsFalse(weights.Contains("qa_outputs.weight"));
        CollectionAssert.AreEqual(new[] { "cls.predictions.bias", "qa_outputs.weight" }, EncoderTensors.Foreign(opened.TensorNames).ToArray());
    }

    [TestMethod]
    public void ALibraryAndAnInspectionTellOfHeadsThatAreNotOurs()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using (var mini = RobertaCheckpoint.Mini.Open(null, CancellationToken.None))
        {
            var tensors = mini.LoadTensors(_ => true, CPU, ScalarType.Float16).Append(KeyValuePair.Create("qa_outputs.weight", zeros(2, 8))).ToDictionary();
            File.WriteAllText(folder.File("config.json"), mini.ConfigJson);
            SafetensorsWriter.Write(folder.File("model.safetensors"), tensors);
            foreach (var name in mini.VocabularyNames)
            {
                using var from = mini.OpenVocabulary(name);
                using var to = File.Create(folder.File(name));
                from.CopyTo(to);
            }
        }
        var checkpoint = RobertaCheckpoint.FromDirectory(folder.Path);
        var told = new Told();
        AdapterLibrary.Create(checkpoint, new() { Progress = told }).Dispose();
        Assert.AreEqual(1, told.Count(m => m.Contains("qa_outputs.weight", StringComparison.Ordinal)));

        told.Clear();
        InitializationInspector.Inspect(new InspectionOptions { Training = new LoraTextClassificationTrainer.Options { BaseModel = checkpoint, LayersToTransform = [0], Progress = told }, ProbeRows = 1 });
        Assert.AreEqual(1, told.Count(m => m.Contains("qa_outputs.weight", StringComparison.Ordinal)));
    }

    private sealed class Told : List<string>, IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => Add(value.Message ?? "");
    }

    [TestMethod]
    [DataRow("config.json")]
    [DataRow("model.safetensors")]
    [OSCondition(OperatingSystems.Linux)]
    public void ALinkToAnEndlessDeviceIsRefused(string name)
    {
        using var folder = new TemporaryFolder();
        TinyCheckpoint.Write(folder.Path, TinyCheckpoint.Files());
        File.Delete(folder.File(name));
        File.CreateSymbolicLink(folder.File(name), "/dev/zero");
        var error = Assert.ThrowsExactly<InvalidDataException>(() => RobertaCheckpoint.FromDirectory(folder.Path).Open(null, CancellationToken.None));
        // Its length of 0 would let another reading end at once, a pipe's would not.
        StringAssert.Contains(error.Message, $"'{folder.File(name)}' is a device or pipe");
    }

    private static void Spoil(string path, string change)
    {
        // As another program would, whatever sharing the reader asked for.
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(-5));
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        if (change == "truncated")
            stream.SetLength(stream.Length / 2);
        stream.Position = change == "longer" ? stream.Length : stream.Length - 1;
        stream.WriteByte(1);
    }
}
