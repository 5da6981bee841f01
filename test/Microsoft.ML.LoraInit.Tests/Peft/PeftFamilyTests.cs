using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters.Family;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Peft;

/// <summary>AdaLoRA, LoHa and LoKr in PEFT's files, both ways, against folders that PEFT wrote.</summary>
[TestClass]
public sealed class PeftFamilyTests
{
    private const double Tolerance = 1e-4;

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DataRow("adalora")]
    [DataRow("loha")]
    [DataRow("lokr_factor")]
    public void AFolderThatPeftWroteScoresAsThere(string name)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var run = new FamilyRun(name);
        using var file = run.Open();
        using var forward = SafetensorsFile.Open(Path.Combine(ParityData.Embedded, "forward.safetensors"));
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var folder = PeftFolder.Open(run.Adapter);
        using var state = folder.Read(files.Config).ToState(files.Identity, files.Config);
        using var model = state.BuildMerged(weights, CPU, ScalarType.Float32);
        TensorAssert.Close(file.Read("logits_after"), model.forward(ParityModel.Batch(forward), ForwardContext.Inference), Tolerance, "logits");
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(FamilyRun.Names), typeof(FamilyRun))]
    public void WhatIsReadIsWrittenAgainAsItWas(string name)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        var run = new FamilyRun(name);
        using (var theirs = PeftFolder.Open(run.Adapter))
        {
            var read = theirs.Read(Mini);
            PeftWriter.Write(temporary.File("adapter"), read, PeftWriter.Config(read, Mini, theirs.Config.BaseModel, theirs.Config.Revision));
        }
        AssertSameConfig(Path.Combine(run.Adapter, PeftNames.Config), Path.Combine(temporary.File("adapter"), PeftNames.Config));
        using var expected = SafetensorsFile.Open(Path.Combine(run.Adapter, PeftNames.Weights));
        using var actual = SafetensorsFile.Open(Path.Combine(temporary.File("adapter"), PeftNames.Weights));
        CollectionAssert.AreEquivalent(expected.Names.ToArray(), actual.Names.ToArray());
        foreach (var tensor in expected.Names)
            TensorAssert.Identical(expected.Read(tensor), actual.Read(tensor), tensor);
    }

    [TestMethod]
    public void TripletsThatWereCutAreInNoFile()
    {
        using var scope = NewDisposeScope();
        var parts = new Dictionary<string, Tensor> { [LinearAdapter.Names.A] = randn(3, 4), [LinearAdapter.Names.B] = randn(5, 3), [AdaLoraMethod.Lambda] = tensor(new[] { 0f, 2f, 0f }) };
        var stored = PeftFamily.Of("ADALORA")!.ToFile(parts);
        CollectionAssert.AreEqual(new long[] { 1, 4 }, stored[LinearAdapter.Names.A].shape);
        TensorAssert.Identical(parts[LinearAdapter.Names.B].narrow(1, 1, 1).contiguous(), stored[LinearAdapter.Names.B].contiguous(), "B");
    }

    [TestMethod]
    [DataRow("adalora", "rank_pattern", """{"roberta.encoder.layer.0.attention.self.query.lora_E":[true]}""", "rank_pattern")]
    [DataRow("adalora", "init_r", "0", "InitialRank")]
    [DataRow("adalora", "use_dora", "true", "use_dora")]
    [DataRow("lokr", "decompose_factor", "0", "Factor")]
    [DataRow("lokr", "decompose_both", "true", "lokr_w1")]
    [DataRow("loha", "r", "3", "shape")]
    public void WhatDoesNotFitIsRefusedByName(string name, string member, string value, string expected)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        var run = new FamilyRun(name);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(run.Adapter, PeftNames.Config)))!.AsObject();
        config[member] = JsonNode.Parse(value);
        File.WriteAllText(temporary.File(PeftNames.Config), config.ToJsonString());
        File.Copy(Path.Combine(run.Adapter, PeftNames.Weights), temporary.File(PeftNames.Weights));
        var error = Assert.ThrowsExactly<InvalidDataException>(() =>
        {
            using var folder = PeftFolder.Open(Path.GetDirectoryName(temporary.File(PeftNames.Config))!);
            folder.Read(Mini);
        });
        StringAssert.Contains(error.Message, expected);
    }

    private static RobertaConfig Mini
    {
        get
        {
            using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
            return files.Config;
        }
    }

    // What PEFT writes beside and reads with the same defaults has no part in these types.
    private static void AssertSameConfig(string expected, string actual)
    {
        var (theirs, ours) = (Read(expected), Read(actual));
        foreach (var (key, value) in ours)
        {
            Assert.IsTrue(theirs.ContainsKey(key), $"PEFT has no '{key}'.");
            if (key == "target_modules")
                CollectionAssert.AreEquivalent(Items(theirs[key]), Items(value), key);
            else
                Assert.IsTrue(JsonNode.DeepEquals(theirs[key], value), $"{key}: {value?.ToJsonString()} where PEFT has {theirs[key]?.ToJsonString()}");
        }
        foreach (var (key, value) in theirs.Where(t => !ours.ContainsKey(t.Key)))
            Assert.IsTrue(value is null or JsonObject { Count: 0 } || Neutral.Contains(key), $"'{key}' = {value?.ToJsonString()} is lost.");
    }

    private static readonly string[] Neutral = ["ensure_weight_tying", "lora_bias", "megatron_core", "qalora_group_size", "use_qalora"];

    private static JsonObject Read(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsObject();

    private static string[] Items(JsonNode? list) => [.. list!.AsArray().Select(i => (string)i!)];
}
