using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tests.Checkpoints;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

/// <summary>What is larger than a reader takes, with a limit that small models reach.</summary>
[TestClass]
public sealed class LargeModelTests
{
    private static FineTunedModel Model => TrainedModels.Step(TrainedModels.Multiclass).Model;

    [TestMethod]
    [DataRow(ModelSaveMode.AdapterOnly, 1000, "What training changed")]
    [DataRow(ModelSaveMode.SelfContained, 2_000_000, "SaveMode = AdapterOnly")]
    public void WhatNoReaderTakesIsRefusedBeforeAnythingIsWritten(ModelSaveMode mode, int most, string told)
    {
        using var stream = new MemoryStream();
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => ModelWriter.Write(stream, Model, mode, most));
        StringAssert.Contains(error.Message, told);
        StringAssert.Contains(error.Message, $"{most:N0}");
        Assert.AreEqual(0, stream.Length);
    }

    [TestMethod]
    public void ABaseInAFolderStaysOutsideOfAFileThatCannotHoldIt()
    {
        using var folder = new TemporaryFolder();
        var (checkpoint, warnings) = (Base(folder, exact: true), new List<string>());
        using var files = checkpoint.Open(null, CancellationToken.None);

        Assert.AreEqual(ModelSaveMode.SelfContained, SaveModes.Choose(null, checkpoint, files, warnings.Add));
        Assert.IsEmpty(warnings);
        Assert.AreEqual(ModelSaveMode.AdapterOnly, SaveModes.Choose(null, checkpoint, files, warnings.Add, most: 1000));
        StringAssert.Contains(warnings.Single(), folder.Path);
        var error = Assert.ThrowsExactly<ArgumentException>(() => SaveModes.Choose(ModelSaveMode.SelfContained, checkpoint, files, warnings.Add, most: 1000));
        StringAssert.StartsWith(error.Message, "SaveMode = SelfContained");
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void NumbersThatNeedSixteenBitsAreCountedSo(bool exact)
    {
        using var folder = new TemporaryFolder();
        using var files = Base(folder, exact).Open(null, CancellationToken.None);
        var halfOfFour = 4 * files.EncoderSizes.Sum(t => t.Elements); // half of it is left for the header
        Assert.AreEqual(exact, ModelWriter.Holds(files, halfOfFour));
        Assert.IsTrue(ModelWriter.Holds(files, 2 * halfOfFour));
        Assert.IsFalse(ModelWriter.Holds(files, halfOfFour - 2));
    }

    /// <param name="folder">Where it is written, in 32 bits a number.</param>
    /// <param name="exact">Whether every number would survive 16.</param>
    private static RobertaCheckpoint Base(TemporaryFolder folder, bool exact)
    {
        using var scope = NewDisposeScope();
        var tensors = TinyCheckpoint.Tensors().ToDictionary(t => t.Key, t => exact ? t.Value.to(ScalarType.Float16).to(ScalarType.Float32) : t.Value.add(1e-5));
        var files = TinyCheckpoint.Files();
        files["model.safetensors"] = TinyCheckpoint.Safetensors(tensors);
        TinyCheckpoint.Write(folder.Path, files);
        return RobertaCheckpoint.FromDirectory(folder.Path);
    }
}
