using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

[TestClass]
public sealed class FineTuningMethodTests
{
    public static IEnumerable<object[]> Methods => FineTuningMethod.Names.Select(n => new object[] { n });

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void NameJsonAndValueAgree(string name)
    {
        var method = FineTuningMethod.Parse(name);
        Assert.AreEqual(name, method.Name);
        Assert.AreEqual(method.Name, FineTuningMethod.Parse(method.Name == "head" ? "head-only" : name).Name);
        Assert.AreEqual(method, FineTuningMethodRegistry.FromJson(JsonNode.Parse(method.ToJson().ToJsonString())!.AsObject()));
        Assert.AreEqual(method, FineTuningMethod.Parse(name.ToUpperInvariant()));
    }

    [TestMethod]
    public void SettingsAreRead()
    {
        Assert.AreEqual(FineTuningMethod.Houlsby(32), FineTuningMethod.Parse("houlsby:size=32"));
        Assert.AreEqual(FineTuningMethod.Pfeiffer(), FineTuningMethod.Parse("pfeiffer:size=64"));
        Assert.AreNotEqual(FineTuningMethod.Houlsby(32), FineTuningMethod.Houlsby(64));
        Assert.AreEqual(FineTuningMethod.Lora(AdapterFactor.A, LoraBias.LoraOnly), FineTuningMethod.Parse("lora:freeze=a,bias=lora_only"));
        Assert.AreEqual("lora_only", (string)FineTuningMethod.Lora(bias: LoraBias.LoraOnly).ToJson()["bias"]!);
        Assert.AreEqual(FineTuningMethod.Lora(), FineTuningMethodRegistry.FromJson(new() { ["name"] = "lora" }), "As version 0.1.0 stored it");
        Assert.AreEqual(FineTuningMethod.AdapterFusion(FusionSource.FromFile("m/a.mlnet"), FusionSource.FromFile("b.mlnet", "x")), FineTuningMethod.Parse("fusion:sources=m/a.mlnet+x=b.mlnet"));
        Assert.AreEqual("m/a.mlnet+x=b.mlnet", (string)FineTuningMethod.Parse("fusion:sources=m/a.mlnet+x=b.mlnet").ToJson()["sources"]!);
        Assert.AreEqual(7, (int)FineTuningMethod.Pfeiffer(7).ToJson()["size"]!);
    }

    [TestMethod]
    [DataRow("magic", "'magic'")]
    [DataRow("magic", "bitfit")]
    [DataRow("full:size=3", "'size'")]
    [DataRow("houlsby:width=3", "'width'")]
    [DataRow("houlsby:size=0", "at least 1")]
    [DataRow("houlsby:size=x", "it must be a whole number")]
    [DataRow("pfeiffer:skip=-1", "at least 0")]
    [DataRow("lora:freeze=c", "none or a or b")]
    [DataRow("lora:bias=some", "none or all or lora_only")]
    [DataRow("houlsby:size", "setting=value")]
    [DataRow("fusion:penalty=-1", "at least 0")]
    [DataRow("fusion:sources==a.mlnet+b.mlnet", "'=a.mlnet' is no source")]
    [DataRow("fusion:sources=a.mlnet+x/a.mlnet", "name 'a'")]
    public void WhatCannotBeReadIsNamed(string text, string expected)
    {
        try
        {
            FineTuningMethod.Parse(text);
        }
        catch (ArgumentException e)
        {
            StringAssert.Contains(e.Message, expected);
            return;
        }
        Assert.Fail($"'{text}' was accepted");
    }

    [TestMethod]
    [DataRow("lora:freeze=b", "kaiming", "B")]
    [DataRow("lora:freeze=a", "init-b", "A")]
    [DataRow("lora:freeze=a", "mica", "A")]
    [DataRow("lora:freeze=b", "slora", "B")]
    public void AFrozenFactorOfZeroIsRefused(string method, string initialization, string factor)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => ((LoraMethod)FineTuningMethod.Parse(method)).Check(LoraInitialization.Parse(initialization)));
        StringAssert.Contains(error.Message, $"'{initialization}', which starts {factor} at zero");
    }

    [TestMethod]
    public void WhatLeavesNothingToTrainIsRefused()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var method = new LoraMethod { Freeze = AdapterFactor.A };
        var error = Assert.ThrowsExactly<ArgumentException>(() =>
            method.Apply(model, new() { Rank = 2 }, 1, targets => AdapterTests.RandomFactors(targets, f => f with { FreezeB = true })));
        StringAssert.Contains(error.Message, "nothing is left to train");
    }

    [TestMethod]
    public void ABottleneckWiderThanTheModelIsRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningMethod.Houlsby(17).Validate(TinyModel.Config)).Message, "17");

    [TestMethod]
    public void DroppingEveryBottleneckIsRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningMethod.Pfeiffer(4, skip: 3).Validate(TinyModel.Config)).Message, "3 layers");

    /// <summary>All that need nothing trained before.</summary>
    public static IEnumerable<object[]> FreshMethods => Methods.Where(m => (string)m[0] != "fusion");

    [TestMethod]
    [DynamicData(nameof(FreshMethods))]
    public void TheModelStartsWithItsOwnFunction(string name)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var before = TinyModel.Logits(model);
        Apply(model, Sized(name));
        // KaSA takes the base's smallest singular values away, on purpose.
        if (name == "kasa")
            Assert.IsFalse(before.allclose(TinyModel.Logits(model), 0, 1e-6));
        else
            TensorAssert.Close(before, TinyModel.Logits(model), 1e-6, name);
    }

    [TestMethod]
    public void EachMethodTrainsItsOwn()
    {
        var head = new[] { "classifier.dense.weight", "classifier.dense.bias", "classifier.out_proj.weight", "classifier.out_proj.bias" };
        var encoder = LoraInit.Checkpoints.EncoderTensors.Expected(TinyModel.Config).Select(t => t.Name).ToArray();

        Check("head", []);
        Check("head-only", []);
        Check("bitfit", encoder.Where(n => n.EndsWith(".bias", StringComparison.Ordinal)));
        Check("full", encoder);
        Check("pfeiffer:size=4", Bottlenecks("output"));
        Check("houlsby:size=4", Bottlenecks("attention.output").Concat(Bottlenecks("output"))
            .Concat(encoder.Where(n => n.Contains("encoder", StringComparison.Ordinal) && n.Contains("LayerNorm", StringComparison.Ordinal))));
        Check("pfeiffer:size=4,skip=2", Bottlenecks("output").Where(n => n.Contains("layer.2.", StringComparison.Ordinal)));
        Check("houlsby:size=4,skip=2", Bottlenecks("attention.output").Concat(Bottlenecks("output"))
            .Concat(encoder.Where(n => n.Contains("LayerNorm", StringComparison.Ordinal))).Where(n => n.Contains("layer.2.", StringComparison.Ordinal)));
        Check("lin:size=4", from i in Enumerable.Range(0, 3)
                            from part in new[] { "norm.weight", "norm.bias", "down.weight", "down.bias", "up.weight", "up.bias" }
                            select $"roberta.encoder.layer.{i}.bottleneck.{part}");
        Check("lora", from i in Enumerable.Range(0, 3)
                      from part in new[] { "query", "value" }
                      from factor in new[] { "lora_A", "lora_B" }
                      select $"roberta.encoder.layer.{i}.attention.self.{part}.{factor}");
        Check("lora:freeze=a", Query("lora_B"));
        Check("lora:bias=lora_only", Query("lora_A", "lora_B", "bias"));
        Check("lora:bias=all", Query("lora_A", "lora_B").Concat(encoder.Where(n => n.EndsWith(".bias", StringComparison.Ordinal))));

        void Check(string method, IEnumerable<string> expected)
        {
            using var model = TinyModel.Create();
            Apply(model, method);
            CollectionAssert.AreEquivalent(head.Concat(expected).ToArray(), model.Parameters.Where(p => p.Trained).Select(p => p.Name).ToArray(), method);
        }

        static IEnumerable<string> Query(params string[] parts) =>
            from i in Enumerable.Range(0, 3)
            from layer in new[] { "query", "value" }
            from part in parts
            select $"roberta.encoder.layer.{i}.attention.self.{layer}.{part}";

        static IEnumerable<string> Bottlenecks(string place) =>
            from i in Enumerable.Range(0, 3)
            from part in new[] { "down.weight", "down.bias", "up.weight", "up.bias" }
            select $"roberta.encoder.layer.{i}.{place}.bottleneck.{part}";
    }

    // Adapter parameters of the papers' settings in the roberta-base shape: 12 layers of 2 (1) bottlenecks, 2·768·64 + 64 + 768 each.
    [TestMethod]
    public void BottlenecksHaveTheKnownSize()
    {
        var config = StateDictTests.Published["roberta-base"];
        Assert.AreEqual(24 * 99_136, Count(FineTuningMethod.Houlsby()));
        Assert.AreEqual(12 * 99_136, Count(FineTuningMethod.Pfeiffer()));
        Assert.AreEqual(7 * 99_136, Count(FineTuningMethod.Pfeiffer(skip: 5)));
        // arXiv 2106.09685, Section 5.1: L·(2·d·r + r + d) + 2·L·d with a norm each.
        Assert.AreEqual(12 * (99_136 + 2 * 768), Count(FineTuningMethod.Lin()));
        long Count(FineTuningMethod method) => method.Bottlenecks!.Layout(config).Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b));
    }

    [TestMethod]
    public void ApplyUsesTheSeed()
    {
        using var scope = NewDisposeScope();
        Tensor Down(int seed)
        {
            using var model = TinyModel.Create();
            Apply(model, FineTuningMethod.Pfeiffer(4), seed);
            return model.Layers[0].Bottlenecks[BottleneckPlace.Output].Parameters[0].Value.clone();
        }
        TensorAssert.Identical(Down(5), Down(5), "the same seed");
        Assert.IsFalse(TensorAssert.Bytes(Down(5)).AsSpan().SequenceEqual(TensorAssert.Bytes(Down(6))), "another seed");
    }

    private static string Sized(string name) => name switch
    {
        "houlsby" or "pfeiffer" or "lin" => $"{name}:size=4",
        "rosa" => "rosa:density=0.1",
        _ => name,
    };

    private static void Apply(RobertaClassifier model, string method) => Apply(model, FineTuningMethod.Parse(method), 1);

    private static void Apply(RobertaClassifier model, FineTuningMethod method, int seed) =>
        method.Apply(model, new() { Rank = 2 }, seed, targets => AdapterTests.RandomFactors(targets, f => f with { B = zeros_like(f.B) }));
}
