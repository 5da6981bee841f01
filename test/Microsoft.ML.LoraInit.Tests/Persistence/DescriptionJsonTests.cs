using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Persistence;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

[TestClass]
public sealed class DescriptionJsonTests
{
    private static readonly FineTunedDescription Whole = new()
    {
        Method = FineTuningMethod.Lora(),
        Initialization = LoraInitialization.Pissa(),
        Adapters = [new() { Module = "roberta.encoder.layer.0.attention.self.query", Kind = AdapterKind.Lora.Name, Rank = 4, Alpha = 8, RankStabilized = false, Scaling = 2 }],
        BaseQuantization = BaseQuantization.Nf4,
        Optimizer = new(16, GradientPreconditioning.Riemannian, 0.25),
        ClassWeights = ClassWeights.PerClass(new Dictionary<string, double> { ["a"] = 1, ["b"] = 0.5 }),
    };

    [TestMethod]
    public void WhatIsWrittenIsRead()
    {
        var read = DescriptionJson.Read(DescriptionJson.Write(Whole));
        CollectionAssert.AreEqual(Whole.Adapters.ToArray(), read.Adapters.ToArray());
        Assert.AreEqual(Whole with { Adapters = [] }, read with { Adapters = [] });
    }

    [TestMethod]
    [DataRow("method", """{"name":"magic"}""", "no fine-tuning method 'magic'")]
    [DataRow("method", "1", "'method'")]
    [DataRow("adapters", "1", "'adapters'")]
    [DataRow("adapters", "[{}]", "description of an adapter")]
    [DataRow("adapters", """[{"module":null,"kind":"lora","rank":4,"alpha":8,"rankStabilized":false,"scaling":2}]""", "description of an adapter")]
    [DataRow("adapters", """[{"module":"m","kind":"magic","rank":4,"alpha":8,"rankStabilized":false,"scaling":2}]""", "description of an adapter")]
    [DataRow("baseQuantization", "\"nf2\"", "nf2")]
    [DataRow("initialization", "[]", "description")]
    [DataRow("news", "1", "'news'")]
    public void WhatAModelCannotBeUnderstoodWithoutIsRefusedByName(string member, string value, string expected)
    {
        var json = DescriptionJson.Write(Whole);
        json[member] = JsonNode.Parse(value);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => DescriptionJson.Read(json)).Message, expected);
    }

    [TestMethod]
    [DataRow("optimizer", """{"loraPlusRatio":1,"gradientPreconditioning":"muon","momentum":0.9}""")]
    [DataRow("optimizer", "\"lion\"")]
    [DataRow("classWeights", "\"effective-number\"")]
    [DataRow("classWeights", """{"a":null}""")]
    public void WhatALaterVersionTellsReadersAloneIsLetBy(string member, string value)
    {
        var json = DescriptionJson.Write(Whole);
        json[member] = JsonNode.Parse(value);
        var read = DescriptionJson.Read(json);
        Assert.AreEqual(Whole.Method, read.Method);
        Assert.IsTrue(read.Optimizer is null || read.ClassWeights is null);
    }
}
