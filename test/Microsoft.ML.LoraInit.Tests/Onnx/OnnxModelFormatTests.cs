using System.Buffers.Binary;
using Microsoft.ML.LoraInit.Onnx;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tests.Packaging;
using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>Pipelines for ONNX Runtime as files.</summary>
[TestClass]
public sealed class OnnxModelFormatTests
{
    private static readonly Lazy<byte[]> Stored = new(() =>
    {
        using var stream = new MemoryStream();
        using var model = TrainedModels.Step(TrainedModels.Multiclass).ToOnnxRuntime(new() { Int8 = true });
        OnnxModelFormat.Write(stream, model.Model);
        return stream.ToArray();
    });

    [TestMethod]
    [DataRow("multiclass", false)]
    [DataRow("multiclass", true)]
    [DataRow("regression of pairs", false)]
    public void AProgramWithoutLibtorchLoadsAndScores(string name, bool int8)
    {
        var program = BuildSettings.Get("OnnxChild");
        var libraries = Directory.GetFiles(Path.GetDirectoryName(program)!, "*", SearchOption.AllDirectories).Select(Path.GetFileName).ToArray();
        CollectionAssert.Contains(libraries, "Microsoft.ML.LoraInit.OnnxRuntime.dll");
        Assert.IsFalse(libraries.Any(l => l!.Contains("torch_cpu", StringComparison.OrdinalIgnoreCase) || l.Contains("c10", StringComparison.Ordinal)), string.Join(' ', libraries));

        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        using var model = (IDisposable)(name == "multiclass" ? TrainedModels.Multiclass : TrainedModels.Regression).ToOnnxRuntime(new() { Int8 = int8 });
        ml.Model.Save((ITransformer)model, Topics.View(ml).Schema, folder.File("model.mlnet"));
        var (exitCode, error) = ChildProcess.Score(folder.File("model.mlnet"), Topics.WriteTsv(folder.Path), folder.File("scores"), program);

        Assert.AreEqual(0, exitCode, error);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(((ITransformer)model).Transform(Topics.View(ml))), File.ReadAllLines(folder.File("scores")));
    }

    [TestMethod]
    public void WhatTheModelTellsComesBackTwice()
    {
        var ml = Topics.Context();
        var trained = TrainedModels.Step(TrainedModels.Multiclass);
        using var model = trained.ToOnnxRuntime(new() { Int8 = true, CpuThreads = 1 });
        using var loaded = Saved(model);
        using var twice = Saved(loaded);
        Assert.AreEqual(trained.BaseModelSha256, twice.BaseModelSha256);
        Assert.AreEqual("mini", twice.BaseModelId);
        Assert.AreEqual(new OnnxScoringOptions { Int8 = true }, twice.Scoring, "threads belong to the machine");
        CollectionAssert.AreEqual(Bits(model), Bits(twice));
        CollectionAssert.AreEqual(
            AnnotationText.Describe(model.GetOutputSchema(Topics.View(ml).Schema)), AnnotationText.Describe(twice.GetOutputSchema(Topics.View(ml).Schema)));

        OnnxTextTransformer Saved(ITransformer step)
        {
            using var stream = new MemoryStream();
            ml.Model.Save(step, null, stream);
            return (OnnxTextTransformer)new MLContext().Model.Load(stream, out _);
        }

        // One thread's sums are those of two, but its batches are scored one row at a time here, so that nothing else differs.
        string[] Bits(OnnxTextTransformer step)
        {
            step.Scoring = new() { Int8 = true, MaxTokensPerBatch = 1 };
            return TrainedModels.ScoreBits(step.Transform(Topics.View(ml, Topics.Rows.Take(12))));
        }
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.3)]
    [DataRow(0.99999)]
    public void ACutFileIsRefused(double share) => StringAssert.Contains(Refusal(Stored.Value[..(int)(Stored.Value.Length * share)]), "damaged");

    [TestMethod]
    public void AnAlteredByteIsNoticedWhereverItLies()
    {
        var random = new Random(5);
        foreach (int position in Enumerable.Range(0, ModelFormat.PrefixLength).Concat(Enumerable.Range(0, 40).Select(_ => random.Next(Stored.Value.Length))))
        {
            var changed = (byte[])Stored.Value.Clone();
            changed[position] ^= 0x11;
            Refusal(changed);
        }
    }

    [TestMethod]
    public void ANewerFormatIsRefusedWithAdvice()
    {
        var newer = (byte[])Stored.Value.Clone();
        BinaryPrimitives.WriteInt32LittleEndian(newer.AsSpan(8), OnnxModelFormat.Version + 1);
        StringAssert.Contains(Refusal(newer), "Update");
    }

    [TestMethod]
    public void AModelForLibtorchIsNotTakenForOne()
    {
        using var stream = new MemoryStream();
        var trained = TrainedModels.Step(TrainedModels.Multiclass);
        ModelWriter.Write(stream, trained.Model, ModelSaveMode.AdapterOnly);
        StringAssert.Contains(Refusal(stream.ToArray()), "ONNX text model");
    }

    private static string Refusal(byte[] bytes) =>
        Assert.ThrowsExactly<InvalidDataException>(() => OnnxModelFormat.Read(new MemoryStream(bytes))).Message;
}
