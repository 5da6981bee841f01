using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

[TestClass]
public sealed class SafetensorsFileTests
{
    private static readonly ScalarType[] Types =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64,
        ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
    ];

    [TestMethod]
    public void EveryTypeComesBackFromEverySource()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = folder.File("all.safetensors");
        var tensors = Types.ToDictionary(t => $"t.{t}", t => arange(6).sub(2).abs().to(t).reshape(2, 3));
        tensors["scalar"] = tensor(1.5);
        tensors["empty"] = zeros(0, 4);
        tensors["transposed"] = arange(6, ScalarType.Float32).reshape(2, 3).t();
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["key"] = "wört" });

        foreach (var open in Sources(path))
        {
            using var file = open();
            Assert.AreEqual("wört", file.Metadata["key"]);
            CollectionAssert.AreEquivalent(tensors.Keys, file.Names.ToArray());
            foreach (var (name, expected) in tensors)
            {
                var actual = file.Read(name);
                Assert.AreEqual(expected.dtype, actual.dtype, name);
                CollectionAssert.AreEqual(expected.shape, actual.shape, name);
                CollectionAssert.AreEqual(expected.shape, file.Info(name).Shape, name);
                CollectionAssert.AreEqual(expected.contiguous().bytes.ToArray(), actual.bytes.ToArray(), name);
            }
        }
    }

    [TestMethod]
    public void ReadsFromAStreamsPositionOn()
    {
        using var scope = NewDisposeScope();
        var stream = new MemoryStream();
        stream.Write("before"u8);
        SafetensorsWriter.Write(stream, new Dictionary<string, Tensor> { ["a"] = arange(4, ScalarType.Int64) });
        stream.Position = 6;

        using var file = SafetensorsFile.Open(stream, "part");

        CollectionAssert.AreEqual(new long[] { 0, 1, 2, 3 }, file.Read("a").data<long>().ToArray());
    }

    [TestMethod]
    public void ConvertsWhileReading()
    {
        using var scope = NewDisposeScope();
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, new Dictionary<string, Tensor> { ["a"] = tensor(new[] { 0.1f, -3f }).to(ScalarType.Float16) });
        stream.Position = 0;
        using var file = SafetensorsFile.Open(stream, "half");

        CollectionAssert.AreEqual(new[] { (float)(Half)0.1f, -3f }, file.Read("a", ScalarType.Float32).data<float>().ToArray());
    }

    [TestMethod]
    public void ManyThreadsReadOneFile()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = folder.File("many.safetensors");
        SafetensorsWriter.Write(path, Enumerable.Range(0, 20).ToDictionary(i => $"t{i:00}", i => full(new long[] { 1000 }, (float)i)));
        foreach (var open in Sources(path))
        {
            using var file = open();
            Parallel.For(0, 100, i =>
            {
                using var inner = NewDisposeScope();
                Assert.IsTrue(file.Read($"t{i % 20:00}").eq(i % 20).all().item<bool>());
            });
        }
    }

    [TestMethod]
    public void AnInvalidBoolIsReadAsTrue()
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Stream("""{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}""", [0, 1, 7]), "bools");
        CollectionAssert.AreEqual(new[] { false, true, true }, file.Read("a").data<bool>().ToArray());
    }

    [TestMethod]
    public void AMissingTensorIsNamed()
    {
        using var file = SafetensorsFile.Open(Stream("{}", []), "nothing");
        var error = Assert.ThrowsExactly<InvalidDataException>(() => file.Read("a.weight"));
        StringAssert.Contains(error.Message, "'nothing' has no tensor 'a.weight'");
    }

    [TestMethod]
    [DataRow("""[]""", 0, "no JSON object")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""", 4, "not valid JSON")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "Duplicate")]
    [DataRow("""{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "no valid Unicode")]
    [DataRow("""{"a":3}""", 0, "entry of 'a'")]
    [DataRow("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "'a' has no 'dtype'")]
    [DataRow("""{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}""", 1, "F8_E4M3")]
    [DataRow("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "'shape'")]
    [DataRow("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "'-1' in 'shape'")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "'1.5' in 'shape'")]
    [DataRow("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}""", 4, "in 'shape'")]
    [DataRow("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}""", 4, "too large")]
    [DataRow("""{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "too large")]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "needs 8 bytes")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "data_offsets")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "data_offsets")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}""", 4, "data_offsets")]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "overlap")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "leave a hole")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "leave a hole")]
    [DataRow("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", 8, "truncated")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 9, "end at byte")]
    [DataRow("""{"__metadata__":{"a":1}}""", 0, "'__metadata__'")]
    [DataRow("""{"__metadata__":[]}""", 0, "'__metadata__'")]
    public void InvalidHeadersAreRefused(string header, int dataBytes, string reason)
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Open(Stream(header, new byte[dataBytes]), "bad.safetensors"));
        StringAssert.Contains(error.Message, "'bad.safetensors' is not a valid safetensors file");
        StringAssert.Contains(error.Message, reason);
    }

    [TestMethod]
    [DataRow(100_000_001UL, "the limit is 100,000,000")]
    [DataRow(ulong.MaxValue, "the limit is")]
    [DataRow(64UL, "but the file has only")]
    public void HugeHeadersAreRefused(ulong length, string reason)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Open(new MemoryStream(bytes), "huge"));
        StringAssert.Contains(error.Message, reason);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(7)]
    public void FilesShorterThanTheLengthAreRefused(int bytes)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("short"), new byte[bytes]);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Open(folder.File("short")));
        StringAssert.Contains(error.Message, "truncated");
    }

    [TestMethod]
    public void DamagedFilesAreRefusedOrReadInFull()
    {
        var random = new Random(0);
        byte[] intact;
        using (NewDisposeScope())
            intact = TinyCheckpoint.Safetensors(TinyCheckpoint.Tensors());
        int header = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(intact);
        int refused = 0;
        for (int i = 0; i < 3000; i++)
        {
            var bytes = (byte[])intact.Clone();
            for (int flips = random.Next(1, 4); flips > 0; flips--)
                bytes[random.Next(header)] = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)"0123456789{}[],:\""[random.Next(17)];
            if (random.Next(5) == 0)
                bytes = bytes[..random.Next(bytes.Length)];
            using var scope = NewDisposeScope();
            try
            {
                using var file = SafetensorsFile.Open(new MemoryStream(bytes), "damaged");
                foreach (var name in file.Names)
                    Assert.AreEqual(file.Info(name).Shape.Aggregate(1L, (a, b) => a * b), file.Read(name).numel());
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.IsTrue(refused > 1500, $"{refused} of 3,000 were refused");
    }

    private static IEnumerable<Func<SafetensorsFile>> Sources(string path)
    {
        yield return () => SafetensorsFile.Open(path);
        yield return () => SafetensorsFile.Open(File.OpenRead(path), "seekable");
        yield return () => SafetensorsFile.Open(new System.IO.Compression.BrotliStream(Compressed(path), System.IO.Compression.CompressionMode.Decompress), "not seekable");
    }

    private static MemoryStream Compressed(string path)
    {
        var stream = new MemoryStream();
        using (var compressor = new System.IO.Compression.BrotliStream(stream, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true))
            compressor.Write(File.ReadAllBytes(path));
        stream.Position = 0;
        return stream;
    }

    private static MemoryStream Stream(string header, byte[] data)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, json.Length);
        json.CopyTo(bytes, 8);
        data.CopyTo(bytes, 8 + json.Length);
        return new MemoryStream(bytes);
    }
}
