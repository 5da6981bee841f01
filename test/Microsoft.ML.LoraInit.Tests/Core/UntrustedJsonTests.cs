using System.Text;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tests.Core;

[TestClass]
public sealed class UntrustedJsonTests
{
    private static readonly JsonSource Source = new("'some.json'", "Get it again.");

    [TestMethod]
    [DataRow("{", "is not valid JSON")]
    [DataRow("null", "is null")]
    [DataRow("""{"name":"a"}""", "count")]
    [DataRow("""{"name":null,"count":1}""", "name")]
    [DataRow("""{"name":"a","count":1,"count":2}""", "count")]
    [DataRow("""{"name":"a","Count":1,"count":2}""", "count")]
    [DataRow("""{"name":3,"count":1}""", "name")]
    [DataRow("""{"name":"a","count":"1"}""", "count")]
    [DataRow("""{"name":"a","count":1,"other":1}""", "other")]
    [DataRow("""{"name":"\ud800","count":1}""", "'name' holds text that is no valid Unicode")]
    [DataRow("""{"name":"a","count":1,"list":["b",null]}""", "'list' has a null in a list")]
    [DataRow("""{"name":"a","count":1,"share":1e39}""", "'share' is 1e39, a number beyond what a float holds")]
    [DataRow("""{"name":"a","count":1,"share":-1e999}""", "'share' is -1e999")]
    public void WhatIsWrongIsToldByFileMemberAndAdvice(string json, string member)
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => UntrustedJson.Read<Thing>(json, Source));
        StringAssert.StartsWith(error.Message, "'some.json' is damaged");
        StringAssert.Contains(error.Message, member);
        StringAssert.EndsWith(error.Message, "Get it again.");
    }

    [TestMethod]
    public void WhatIsRightIsRead()
    {
        byte[] text = [.. Encoding.UTF8.Preamble, .. """{"name":"\ud83d\ude00","count":7,"list":["b"],"share":1e38}"""u8];
        var read = UntrustedJson.Read<Thing>(text, Source);
        Assert.AreEqual(("😀", 7, "b", 1e38), (read.Name, read.Count, read.List!.Single(), read.Share));
    }

    [TestMethod]
    public void BytesThatAreNotUtf8AreRefused() =>
        Assert.ThrowsExactly<InvalidDataException>(() => UntrustedJson.Object([(byte)'{', (byte)'"', 0xC3, (byte)'"', (byte)':', (byte)'1', (byte)'}'], Source));

    internal sealed record Thing(string Name, int Count)
    {
        public string[]? List { get; init; }

        public double Share { get; init; }
    }
}
