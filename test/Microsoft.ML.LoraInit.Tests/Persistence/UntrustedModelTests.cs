using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tests.Libraries;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

/// <summary>Models whose checksums are right and whose content is not.</summary>
[TestClass]
public sealed class UntrustedModelTests
{
    private static readonly Lazy<byte[]> Stored = new(() =>
    {
        using var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 3);
        using var stream = new MemoryStream();
        ModelWriter.Write(stream, model.Model, ModelSaveMode.AdapterOnly);
        return stream.ToArray();
    });

    [TestMethod]
    public void WhatIsPutTogetherAgainIsRead()
    {
        using var model = ModelReader.Read(new MemoryStream(Changed((_, _) => { })), CPU);
        Assert.AreEqual(3, model.State.Outputs);
    }

    [TestMethod]
    public void AHeadOfNaNIsRefusedByTensor()
    {
        // Any place in the data will do.
        var message = Refusal((parts, _) => BinaryPrimitives.WriteSingleLittleEndian(parts["tensors"].AsSpan(parts["tensors"].Length - 4), float.NaN));
        StringAssert.Contains(message, "not finite");
        StringAssert.Contains(message, "the tensor '");
    }

    [TestMethod]
    public void APartThatNobodyNamesIsRefusedBeforeItIsRead()
    {
        using var stream = new MemoryStream(Changed((parts, _) => parts["extra"] = new byte[8 << 20]));
        long before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.ThrowsExactly<InvalidDataException>(() => ModelReader.Read(stream, CPU)).Message;
        StringAssert.Contains(message, "the part 'extra'");
        Assert.IsTrue(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20, "the part was read");
    }

    [TestMethod]
    [DataRow("unknown", "1")]
    [DataRow("text", "null")]
    [DataRow("text", "\"\"")]
    [DataRow("maxLength", "-1")]
    [DataRow("maxLength", "100000")]
    [DataRow("precision", "77")]
    [DataRow("mode", "9")]
    [DataRow("parts", "[null]")]
    [DataRow("parts", "{}")]
    [DataRow("scores", "{\"kind\":7}")]
    [DataRow("scores", "{\"kind\":\"regression\",\"score\":\"Score\",\"new\":1}")]
    [DataRow("fineTuning", "{}")]
    [DataRow("fineTuning", "{\"method\":{\"name\":7},\"adapters\":[]}")]
    [DataRow("fineTuning", "{\"method\":{\"name\":\"lora\"},\"adapters\":[],\"later\":1}")]
    [DataRow("history", "[]")]
    [DataRow("config", "null")]
    [DataRow("base", "{\"kind\":\"elsewhere\",\"source\":\"a\",\"id\":\"a\",\"sha256\":\"b\"}")]
    public void AMemberThatDoesNotFitIsRefused(string member, string value) =>
        StringAssert.Contains(Refusal((_, header) => header[member] = JsonNode.Parse(value)), "damaged");

    private static string Refusal(Action<Dictionary<string, byte[]>, JsonObject> change)
    {
        var bytes = Changed(change);
        return Assert.ThrowsExactly<InvalidDataException>(() => ModelReader.Read(new MemoryStream(bytes), CPU)).Message;
    }

    private static byte[] Changed(Action<Dictionary<string, byte[]>, JsonObject> change)
    {
        var all = Stored.Value;
        int end = (int)BinaryPrimitives.ReadInt64LittleEndian(all.AsSpan(12));
        var header = JsonNode.Parse(all.AsSpan(end))!.AsObject();
        var parts = new Dictionary<string, byte[]> { ["tensors"] = all[ModelFormat.PrefixLength..end] };
        var described = header["parts"];
        change(parts, header);
        if (ReferenceEquals(header["parts"], described))
            header["parts"] = new JsonArray([.. parts.Select(p => new JsonObject { ["name"] = p.Key, ["length"] = p.Value.Length, ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(p.Value)) })]);
        var json = System.Text.Encoding.UTF8.GetBytes(header.ToJsonString());
        var result = parts.Values.Prepend(all[..ModelFormat.PrefixLength]).Append(json).Aggregate(Array.Empty<byte>(), (sum, part) => [.. sum, .. part]);
        BinaryPrimitives.WriteInt64LittleEndian(result.AsSpan(12), result.Length - json.Length);
        BinaryPrimitives.WriteInt32LittleEndian(result.AsSpan(20), json.Length);
        SHA256.HashData(json, result.AsSpan(24));
        return result;
    }
}
