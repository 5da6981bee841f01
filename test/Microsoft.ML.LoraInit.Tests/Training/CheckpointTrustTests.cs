using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Checkpointing;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>What a training run believes, and what it says of numbers that are none.</summary>
[TestClass]
public sealed class CheckpointTrustTests
{
    [TestMethod]
    public void AFlippedBitAnywhereIsRefused()
    {
        using var folder = new TemporaryFolder();
        var request = Finished(folder);
        var whole = File.ReadAllBytes(folder.File(TrainingCheckpoint.FileName));
        foreach (var position in new[] { 9, 700, whole.Length / 2, whole.Length - 1 })
        {
            var flipped = (byte[])whole.Clone();
            flipped[position] ^= 4;
            File.WriteAllBytes(folder.File(TrainingCheckpoint.FileName), flipped);
            var error = Assert.Throws<Exception>(() => FineTuningRun.Execute(request));
            Assert.IsTrue(error is InvalidDataException, $"{position}: {error}");
        }
    }

    [TestMethod]
    public void ACheckpointWithoutItsChecksumIsRefusedUnlessItIsOfTheFirstVersion()
    {
        using var folder = new TemporaryFolder();
        var request = Finished(folder);
        Rewrite(folder, (metadata, _) => metadata.Remove("lorainit.sha256"));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => FineTuningRun.Execute(request)).Message, "checksum");

        Rewrite(folder, (metadata, _) => metadata["lorainit.fingerprint"] = With(metadata["lorainit.fingerprint"], "checkpoint format", "1"));
        using var resumed = FineTuningRun.Execute(request with { OnStep = _ => Assert.Fail("a step was made") });
        Assert.AreEqual(8, resumed.History.Steps);
    }

    [TestMethod]
    [DataRow("best")]
    [DataRow("parameters")]
    public void ACheckpointOfNumbersThatAreNotFiniteIsRefusedByTensor(string name)
    {
        using var folder = new TemporaryFolder();
        var request = Finished(folder);
        Rewrite(folder, (metadata, tensors) =>
        {
            metadata.Remove("lorainit.sha256");
            metadata["lorainit.fingerprint"] = With(metadata["lorainit.fingerprint"], "checkpoint format", "1");
            tensors[name][5] = double.NaN;
        });
        var error = Assert.ThrowsExactly<InvalidDataException>(() => FineTuningRun.Execute(request));
        StringAssert.Contains(error.Message, $"'{name}'");
    }

    [TestMethod]
    public void ASecondRunOnOneFolderIsRefusedAndTheFirstGoesOn()
    {
        using var folder = new TemporaryFolder();
        var request = ToyRun.Request(o => o.CheckpointDirectory = folder.Path);
        using var first = FineTuningRun.Execute(request with
        {
            OnStep = step =>
            {
                if (step != 2)
                    return;
                var error = Assert.ThrowsExactly<InvalidOperationException>(() => FineTuningRun.Execute(request));
                StringAssert.Contains(error.Message, folder.Path);
            },
        });
        Assert.AreEqual(8, first.History.Steps);
        FineTuningRun.Execute(request).Dispose();
    }

    [TestMethod]
    public void ADivergenceOnTheLastStepIsRefusedWithoutValidationToo()
    {
        var request = ToyRun.Request(o => (o.BatchSize, o.MaxEpochs, o.InitialLearningRate, o.WarmupRatio) = (64, 1, 1e30, 0), rows: 40);
        var error = Assert.ThrowsExactly<TrainingDivergedException>(() => FineTuningRun.Execute(request));
        Assert.AreEqual(1, error.Step);
    }

    private static FineTuningRequest Finished(TemporaryFolder folder)
    {
        var request = ToyRun.Request(o => o.CheckpointDirectory = folder.Path);
        FineTuningRun.Execute(request).Dispose();
        return request;
    }

    private static void Rewrite(TemporaryFolder folder, Action<Dictionary<string, string>, Dictionary<string, Tensor>> change)
    {
        using var scope = NewDisposeScope();
        var path = folder.File(TrainingCheckpoint.FileName);
        Dictionary<string, string> metadata;
        Dictionary<string, Tensor> tensors;
        using (var file = SafetensorsFile.Open(path))
            (metadata, tensors) = (new(file.Metadata), file.Names.ToDictionary(n => n, n => file.Read(n)));
        change(metadata, tensors);
        SafetensorsWriter.Write(path, tensors, metadata);
    }

    private static string With(string json, string key, string value)
    {
        var changed = JsonNode.Parse(json)!;
        changed[key] = value;
        return changed.ToJsonString();
    }
}
