using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
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
    public void AnExportTellsTheRanksThatCutsLeft()
    {
        using var scope = NewDisposeScope();
        var parts = new Dictionary<string, Tensor> { [LinearAdapter.Names.A] = randn(3, 4), [LinearAdapter.Names.B] = randn(5, 3), [AdaLoraMethod.Lambda] = tensor(new[] { 0f, 2f, 0f }) };
        var family = new PeftFamilyWeights(new AdaLoraMethod(), [(new AdapterTarget("query", 4, 5, 3, 6, false), parts)]);
        Assert.AreEqual(new PeftExportLayer("query", TrainedRank: 3, Rank: 1, Alpha: 6, RelativeError: 0), PeftExport.Of("folder", family, quantized: false).Layers[0]);
    }

    [TestMethod]
    [DataRow("adalora", "rank_pattern", """{"roberta.encoder.layer.0.attention.self.query.lora_E":[true]}""", "'rank_pattern' has")]
    [DataRow("adalora", "init_r", "0", "'init_r' is 0; use at least 1.")]
    [DataRow("adalora", "deltaT", "0", "'deltaT' is 0; use at least 1.")]
    [DataRow("adalora", "beta2", "1.5", "'beta2' is 1.5; use a number between 0 and 1.")]
    [DataRow("adalora", "lora_dropout", "1", "lora_dropout = 1 is out of range")]
    [DataRow("adalora", "use_dora", "true", "use_dora")]
    [DataRow("lokr", "decompose_factor", "0", "'decompose_factor' is 0; use at least 1, or -1")]
    [DataRow("lokr", "decompose_both", "true", "lokr_w1")]
    [DataRow("lokr", "layers_to_transform", "[9]", "layers_to_transform names layer 9")]
    [DataRow("loha", "r", "3", "shape")]
    [DataRow("loha", "r", "500", "r = 500 does not fit 'roberta.encoder.layer.0.")]
    [DataRow("loha", "rank_pattern", """{"query":0}""", "rank_pattern[\"query\"] = 0 does not fit")]
    [DataRow("loha", "alpha", "-1", "alpha = -1 is out of range")]
    [DataRow("loha", "target_modules", """["nothing"]""", "target_modules = nothing chooses no linear layer")]
    public void WhatDoesNotFitIsRefusedByFileAndKey(string name, string member, string value, string expected)
    {
        using var temporary = new TemporaryFolder();
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Read(temporary, name, c => c[member] = JsonNode.Parse(value)));
        StringAssert.Contains(error.Message, expected);
        StringAssert.Contains(error.Message, PeftNames.Config);
    }

    [TestMethod]
    [DataRow("adalora", "init_r")]
    [DataRow("loha", "r")]
    public void ARankThatNoLayerHasRoomForIsNamedAsTheFileDoes(string name, string member)
    {
        using var temporary = new TemporaryFolder();
        void Change(JsonObject c)
        {
            c[member] = 500;
            c["rank_pattern"] = null;
        }
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Read(temporary, name, Change)).Message, $"{PeftNames.Config}': {member} = 500 does not fit");
    }

    // PEFT's own layers of these types know neither rsLoRA nor, but for AdaLoRA, lora_dropout.
    [TestMethod]
    [DataRow("adalora")]
    [DataRow("loha")]
    [DataRow("lokr")]
    public void SettingsOfLoraThatATypeDoesNotKnowHaveNoPart(string name)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        var expected = Read(temporary, name, _ => { });
        var actual = Read(temporary, name, c => (c["use_rslora"], c["lora_alpha"]) = (true, name == "adalora" ? c["lora_alpha"]!.DeepClone() : 77));
        CollectionAssert.AreEqual(expected.Family!.Adapters.Select(a => a.Target.Scaling).ToArray(), actual.Family!.Adapters.Select(a => a.Target.Scaling).ToArray());
    }

    // LoKr's factors are whole from some rank on; LyCORIS' users ask for such by a rank beyond all layers.
    [TestMethod]
    public void AKroneckerProductOfWholeFactorsMayHaveAnyRank()
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        using var weights = TinyModel.Base();
        var method = FineTuningMethod.Lokr();
        using var model = TinyModel.Create(weights);
        method.Apply(model, new AdapterSettings { Rank = 16, Alpha = 16 }, 1, targets => [.. targets.Select(t => new InitializedAdapter(randn(t.Rank, t.InFeatures), zeros(t.OutFeatures, t.Rank)))]);
        using var state = FineTunedState.Capture(model, method, null);
        var family = PeftFamilyWeights.Of(state)!;
        var wide = new PeftWeights([], null, 0) { Family = family with { Adapters = [.. family.Adapters.Select(a => (a.Target with { Rank = 4000, Alpha = 4000 }, a.Parts))] } };
        PeftWriter.Write(temporary.File("adapter"), wide, PeftWriter.Config(wide, state.Config, null, null));
        using var folder = PeftFolder.Open(temporary.File("adapter"));
        CollectionAssert.AreEqual(wide.Family.Adapters.Select(a => a.Target).ToArray(), folder.Read(state.Config).Family!.Adapters.Select(a => a.Target).ToArray());
    }

    [TestMethod]
    public void ALayerThatOnlyTheRankPatternKnowsIsRefused()
    {
        using var temporary = new TemporaryFolder();
        const string Unknown = "roberta.encoder.layer.7.attention.self.query.lora_E";
        void Change(JsonObject c) => c["rank_pattern"]![Unknown] = new JsonArray([.. Enumerable.Repeat(true, (int)c["init_r"]!).Select(f => JsonValue.Create(f))]);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Read(temporary, "adalora", Change)).Message, "rank_pattern names 'roberta.encoder.layer.7.attention.self.query'");
    }

    [TestMethod]
    public void WhatIsKnownWithoutABaseHasTheRanksOfThePattern()
    {
        using var temporary = new TemporaryFolder();
        Copy(temporary, "lokr", c => c["rank_pattern"] = new JsonObject { ["layer.1.attention.self.query"] = 700 });
        var ranks = PeftAdapter.Inspect(temporary.Path).Modules.ToDictionary(m => m.Module, m => m.Rank);
        Assert.AreEqual(700, ranks["roberta.encoder.layer.1.attention.self.query"]);
        Assert.AreEqual(1, ranks.Values.Count(r => r == 700));
    }

    [TestMethod]
    [DataRow("adalora", ".lora_E")]
    [DataRow("loha", ".hada_w1_b")]
    [DataRow("lokr", ".lokr_w1")]
    public void ATensorThatIsMissingIsNamedAsInTheFile(string name, string suffix)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        Copy(temporary, name, _ => { });
        var path = temporary.File(PeftNames.Weights);
        var missing = PeftNames.Prefix + "roberta.encoder.layer.0.attention.self.query" + suffix;
        Dictionary<string, Tensor> tensors;
        using (var file = SafetensorsFile.Open(path))
            tensors = file.Names.Where(n => n != missing).ToDictionary(n => n, n => file.Read(n));
        SafetensorsWriter.Write(path, tensors, PeftNames.Metadata);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Read(temporary)).Message, $"lacks the tensor '{missing}'");
    }

    [TestMethod]
    public void ATensorWithoutAPlaceIsToldByTheTypesOwnNames()
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => PeftNames.Parse(PeftNames.Prefix + "roberta.encoder.layer.0.attention.self.key.lora_A.weight", "file", PeftFamily.Of("LOHA")));
        StringAssert.Contains(error.Message, "<layer>.hada_w1_a, .hada_w1_b, .hada_w2_a, .hada_w2_b (LOHA)");
    }

    private static PeftWeights Read(TemporaryFolder folder, string name, Action<JsonObject> change)
    {
        Copy(folder, name, change);
        return Read(folder);
    }

    private static PeftWeights Read(TemporaryFolder folder)
    {
        using var opened = PeftFolder.Open(folder.Path);
        return opened.Read(Mini);
    }

    private static void Copy(TemporaryFolder folder, string name, Action<JsonObject> change)
    {
        var run = new FamilyRun(name);
        var config = Read(Path.Combine(run.Adapter, PeftNames.Config));
        change(config);
        File.WriteAllText(folder.File(PeftNames.Config), config.ToJsonString());
        File.Copy(Path.Combine(run.Adapter, PeftNames.Weights), folder.File(PeftNames.Weights), overwrite: true);
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
