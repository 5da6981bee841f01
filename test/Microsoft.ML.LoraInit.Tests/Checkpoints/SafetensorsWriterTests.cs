using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

[TestClass]
public sealed class SafetensorsWriterTests
{
    [TestMethod]
    public void EqualContentGivesEqualBytesWhateverTheOrder()
    {
        using var scope = NewDisposeScope();
        var a = KeyValuePair.Create("a", arange(3, ScalarType.Float16));
        var b = KeyValuePair.Create("b", arange(5, ScalarType.Int64));
        CollectionAssert.AreEqual(Bytes([a, b]), Bytes([b, a]));
    }

    [TestMethod]
    public void DataIsAlignedAndWideTypesComeFirst()
    {
        using var scope = NewDisposeScope();
        var bytes = Bytes([KeyValuePair.Create("a", arange(3, ScalarType.Int8)), KeyValuePair.Create("b", arange(5, ScalarType.Int64))]);
        long header = BitConverter.ToInt64(bytes);
        Assert.AreEqual(0, header % 8);
        Assert.AreEqual(8 + header + 40 + 3, bytes.Length);
        StringAssert.Contains(Encoding.UTF8.GetString(bytes, 8, (int)header), """{"b":{"dtype":"I64","shape":[5],"data_offsets":[0,40]},"a":{"dtype":"I8","shape":[3],"data_offsets":[40,43]}}""");
    }

    [TestMethod]
    public void TwoTensorsOfOneNameAreRefusedAndNothingIsWritten()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var twice = new[] { KeyValuePair.Create("a", zeros(1)), KeyValuePair.Create("a", ones(1)) };
        var error = Assert.ThrowsExactly<ArgumentException>(() => SafetensorsWriter.Write(folder.File("x"), twice));
        StringAssert.Contains(error.Message, "'a'");
        Assert.AreEqual(0, Directory.GetFiles(folder.Path).Length);
    }

    [TestMethod]
    public void UnsupportedTypesAreNamed()
    {
        using var scope = NewDisposeScope();
        var complex = new[] { KeyValuePair.Create("a", zeros(1, ScalarType.ComplexFloat32)) };
        var error = Assert.ThrowsExactly<NotSupportedException>(() => Bytes(complex));
        StringAssert.Contains(error.Message, "ComplexFloat32");
    }

    private static byte[] Bytes(IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, tensors);
        return stream.ToArray();
    }
}
