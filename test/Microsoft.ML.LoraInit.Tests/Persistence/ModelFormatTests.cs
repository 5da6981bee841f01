using System.Buffers.Binary;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

[TestClass]
public class ModelFormatTests
{
    private static readonly Lazy<byte[]> Stored = new(() =>
    {
        // The bytes of the LoRA step alone, as they lie within the .mlnet file.
        using var stream = new MemoryStream();
        Topics.Context().Model.Save(TrainedModels.Multiclass, null, stream);
        using var archive = new System.IO.Compression.ZipArchive(stream);
        using var entry = archive.Entries.Single(e => e.Name == "LoraModel.bin").Open();
        using var bytes = new MemoryStream();
        entry.CopyTo(bytes);
        return bytes.ToArray();
    });

    [TestMethod]
    public void AWholeFileIsRead()
    {
        using var model = ModelReader.Read(new MemoryStream(Stored.Value), CPU);
        Assert.AreEqual(3, model.State.Outputs);
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.0001)]
    [DataRow(0.3)]
    [DataRow(0.9)]
    [DataRow(0.99999)]
    public void ACutFileIsRefused(double share)
    {
        var cut = Stored.Value[..(int)(Stored.Value.Length * share)];
        StringAssert.Contains(Refusal(cut), "damaged");
    }

    [TestMethod]
    public void AnAlteredByteIsNoticedWhereverItLies()
    {
        var random = new Random(5);
        var positions = Enumerable.Range(0, ModelFormat.PrefixLength).Concat(Enumerable.Range(0, 200).Select(_ => random.Next(Stored.Value.Length)));
        foreach (int position in positions)
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
        BinaryPrimitives.WriteInt32LittleEndian(newer.AsSpan(8), ModelFormat.Version + 1);
        var message = Refusal(newer);
        StringAssert.Contains(message, "newer version");
        StringAssert.Contains(message, "Update");
    }

    [TestMethod]
    public void SomethingElseIsRefused() => StringAssert.Contains(Refusal(new byte[1000]), "does not begin as");

    [TestMethod]
    public void ACutMLNetFileIsRefused()
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        ml.Model.Save(TrainedModels.Multiclass, null, folder.File("model.mlnet"));
        var bytes = File.ReadAllBytes(folder.File("model.mlnet"));
        File.WriteAllBytes(folder.File("model.mlnet"), bytes[..(bytes.Length / 2)]);

        var (exitCode, error) = ChildProcess.Score(folder.File("model.mlnet"), Topics.WriteTsv(folder.Path), folder.File("scores"));

        Assert.AreEqual(1, exitCode);
        Assert.AreNotEqual("", error);
    }

    private static string Refusal(byte[] bytes) =>
        Assert.ThrowsExactly<InvalidDataException>(() => ModelReader.Read(new MemoryStream(bytes), CPU)).Message;
}
