using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Tests.Roberta;

namespace Microsoft.ML.LoraInit.Tests.Peft;

/// <summary>Names, patterns and settings of adapter configurations, as PEFT reads them.</summary>
[TestClass]
public sealed class PeftPatternTests
{
    [TestMethod]
    [DataRow("rank_pattern", """{"key": 4, "none(": 2}""")]
    [DataRow("modules_to_save", """["classifier.dense", "classifier.out_proj"]""")]
    [DataRow("a_newer_setting", "3")]
    [DataRow("layers_pattern", "\"encoder.layer\"")]
    public void WhatHasNoEffectInPythonHasNoneHere(string key, string value)
    {
        var (plain, changed) = (Targets([]), Targets(new() { [key] = JsonNode.Parse(value.Replace("none(", "none", StringComparison.Ordinal)) }));
        CollectionAssert.AreEqual(plain, changed);
    }

    [TestMethod]
    [DataRow("\"encoder.layer\"", 2)]
    [DataRow("\"layer\"", 2)]
    [DataRow("[\"blocks\", \"la(?P<kind>y)er\"]", 2)]
    [DataRow("[]", 2)]
    public void LayersPatternIsAPathBeforeTheLayersNumber(string pattern, int layers)
    {
        var targets = Targets(new() { ["layers_to_transform"] = JsonNode.Parse("[0, 2]"), ["layers_pattern"] = JsonNode.Parse(pattern) });
        CollectionAssert.AreEquivalent(new[] { 0, 0, 2, 2 }, targets.Select(t => AdapterPlanner.LayerIndex(t)!.Value).ToArray());
        Assert.AreEqual(layers, targets.Select(t => AdapterPlanner.LayerIndex(t)).Distinct().Count());
    }

    [TestMethod]
    public void ALayersPatternThatFindsNothingChoosesNothing()
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Targets(new() { ["layers_to_transform"] = 0, ["layers_pattern"] = "blocks" }));
        StringAssert.Contains(error.Message, "chooses no linear layer");
    }

    [TestMethod]
    [DataRow(@".*\.(?P<part>query|value)")]
    [DataRow(@"(?!.*key).*\.self\..*")]
    [DataRow(@".*\.se(?P<l>l)f\.(query|va(?P=l)ue)\Z")]
    public void PythonsExpressionsAreUnderstood(string expression) =>
        CollectionAssert.AreEqual(Targets([]), Targets(new() { ["target_modules"] = expression }));

    [TestMethod]
    [DataRow("(.*)(.*)(.*)(.*)(.*)\\1\\2\\3\\4\\5!")]
    [DataRow("(?=((.+)+)+!).*")]
    [DataRow("((a{100}){100}){100}")]
    [DataRow("(((.*)*)*)*!")]
    public void ASlowExpressionEndsWithinASecond(string expression)
    {
        _ = Targets([]);
        var before = Environment.CpuUsage.TotalTime; // Processor time: a busy machine does not change it.
        var config = new JsonObject { ["target_modules"] = expression, ["exclude_modules"] = expression };
        config["rank_pattern"] = new JsonObject(Enumerable.Range(0, 20).Select(i => KeyValuePair.Create($"{expression}{i}", (JsonNode?)4)));
        Assert.ThrowsExactly<InvalidDataException>(() => Targets(config));
        var used = Environment.CpuUsage.TotalTime - before;
        Assert.IsTrue(used.TotalSeconds < 3, $"{used.TotalSeconds} s");
    }

    private static string[] Targets(JsonObject changes)
    {
        var json = JsonNode.Parse("""{"peft_type": "LORA", "task_type": "SEQ_CLS", "r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}""")!.AsObject();
        foreach (var (key, value) in changes)
            json[key] = value?.DeepClone();
        var config = PeftConfigReader.Parse(json.ToJsonString(), "adapter_config.json");
        try
        {
            var modules = AdapterPlanner.Modules(TinyModel.Config).Where(m => config.Exclude?.Matches(m.Name) is not true);
            return [.. AdapterPlanner.Plan(config.Settings, modules).Select(t => t.ModuleName)];
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException(e.Message, e);
        }
    }
}
