using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
using Microsoft.ML.LoraInit.Tests.Checkpoints;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Peft;

[TestClass]
public sealed class PeftFolderTests
{
    private const string Query0 = "base_model.model.roberta.encoder.layer.0.attention.self.query";

    [TestMethod]
    [DataRow("plain", "all-linear")]
    [DataRow("plain-rs", "query,value")]
    [DataRow("plain", "output.dense")]
    [DataRow("plain", "attention.output.dense,key")]
    [DataRow("plain", "/.*layer\\.[02]\\..*(query|intermediate\\.dense)/")]
    [DataRow("plain", "/.*(0\\.attention\\.self\\.query|1\\.output\\.dense)/")]
    [DataRow("plain", "patterns")]
    [DataRow("plain", "layers")]
    [DataRow("subtract", "query,value")]
    [DataRow("subtract-rs", "patterns")]
    [DataRow("dora", "query,value")]
    [DataRow("dora-subtract", "all-linear")]
    [DataRow("some", "all-linear")]
    public void WhatIsWrittenIsReadBack(string start, string targets)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Base();
        using var state = PlainLoraConversionTests.Trained(weights, start, change: s => targets switch
        {
            "patterns" => s with { RankPattern = new Dictionary<string, int> { ["layer.1.attention.self.query"] = 2, ["intermediate.dense"] = 3 }, AlphaPattern = new Dictionary<string, double> { ["layer.2.attention.self.value"] = 5.5 } },
            "layers" => s with { LayersToTransform = [0, 2] },
            _ => s with { TargetModules = TargetModules.Parse(targets) },
        });
        var written = Weights(state);
        PeftWriter.Write(folder.File("adapter"), written, PeftWriter.Config(written, state.Config, "some/base", null));

        using var read = PeftFolder.Open(folder.File("adapter"));
        var again = read.Read(state.Config);

        Assert.AreEqual("some/base", read.Config.BaseModel);
        Assert.AreEqual("SEQ_CLS", read.Config.TaskType);
        CollectionAssert.AreEqual(written.Adapters.Select(a => a.Target).ToArray(), again.Adapters.Select(a => a.Target).ToArray());
        foreach (var (expected, actual) in PeftWriter.Tensors(written).Zip(PeftWriter.Tensors(again)))
        {
            Assert.AreEqual(expected.Key, actual.Key);
            TensorAssert.Identical(expected.Value, actual.Value, expected.Key);
        }
        using var restored = again.ToState(state.Base, state.Config);
        using var model = restored.BuildMerged(weights, CPU, ScalarType.Float32);
        using var original = state.BuildMerged(weights, CPU, ScalarType.Float32);
        TensorAssert.Close(TinyModel.Logits(original), TinyModel.Logits(model), 1e-4, "logits");
        CollectionAssert.AreEqual(new[] { folder.File("adapter") }, Directory.GetFileSystemEntries(folder.Path), "nothing temporary is left");
    }

    [TestMethod]
    public void RegularTargetsAreWrittenShort()
    {
        using var weights = TinyModel.Base();
        using var state = PlainLoraConversionTests.Trained(weights, "plain", change: s => s with { TargetModules = TargetModules.Matching(".*(query|value)"), LayersToTransform = [1] });
        using var scope = NewDisposeScope();
        var settings = PeftWriter.Config(Weights(state), state.Config, null, null).Settings;
        CollectionAssert.AreEquivalent(new[] { "query", "value" }, settings.TargetModules.Names!.ToArray());
        CollectionAssert.AreEqual(new[] { 1 }, settings.LayersToTransform!.ToArray());
        Assert.AreEqual(0, settings.RankPattern.Count + settings.AlphaPattern.Count);
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float16)]
    public void NarrowTensorsAreReadAsFloat32(ScalarType type) => With(folder =>
    {
        Rewrite(folder, tensors => tensors.ToDictionary(t => t.Key, t => t.Value.to(type)));
        using var read = PeftFolder.Open(folder);
        var weights = read.Read(TinyModel.Config);
        using var file = SafetensorsFile.Open(Path.Combine(folder, PeftNames.Weights));
        TensorAssert.Identical(file.Read($"{Query0}.lora_A.weight").to(ScalarType.Float32), weights.Adapters[0].A, "A");
        Assert.AreEqual(3, weights.Outputs);
    });

    [TestMethod]
    [DataRow("r", "\"x\"", "'r'")]
    [DataRow("peft_type", "\"IA3\"", "'peft_type'")]
    [DataRow("peft_type", "null", "'peft_type'")]
    [DataRow("task_type", "\"CAUSAL_LM\"", "CAUSAL_LM")]
    [DataRow("bias", "\"some\"", "'bias'")]
    [DataRow("fan_in_fan_out", "true", "'fan_in_fan_out'")]
    [DataRow("init_lora_weights", "\"pissa_niter_4\"", "path_initial_model_for_weight_conversion")]
    [DataRow("modules_to_save", "[\"embeddings\"]", "'embeddings'")]
    [DataRow("lora_bias", "true", "'lora_bias'")]
    [DataRow("layer_replication", "[[0, 2]]", "'layer_replication'")]
    [DataRow("kasa_config", "{\"beta\": 1}", "'kasa_config'")]
    [DataRow("target_modules", "[\"nothing_here\"]", "nothing_here")]
    [DataRow("target_modules", "null", "'target_modules'")]
    [DataRow("target_modules", "\"(\"", "adapter_config.json")]
    [DataRow("target_modules", "[\"query\"]", "layer.0.attention.self.value")]
    [DataRow("layers_to_transform", "[0, 7]", "7")]
    [DataRow("rank_pattern", "{\"query\": 3}", "lora_A.weight")]
    [DataRow("use_dora", "true", "lora_magnitude_vector")]
    public void ASettingThatDoesNotFitIsRefusedByName(string key, string value, string named) => With(folder =>
    {
        var path = Path.Combine(folder, PeftNames.Config);
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json[key] = JsonNode.Parse(value);
        File.WriteAllText(path, json.ToJsonString());
        var error = Assert.ThrowsExactly<InvalidDataException>(() =>
        {
            using var read = PeftFolder.Open(folder);
            read.Read(TinyModel.Config);
        });
        StringAssert.Contains(error.Message, named);
    });

    [TestMethod]
    [DataRow("missing", "lora_B", "attention.self.query")]
    [DataRow("surplus", "extra", "base_model.model.extra")]
    [DataRow("surplus", "lm_head.dense", "lm_head.dense")]
    [DataRow("surplus", "roberta.encoder.layer.9.attention.self.query.lora_A", "layer.9.attention.self.query")]
    [DataRow("surplus", "roberta.pooler.dense.lora_A", "roberta.pooler.dense")]
    [DataRow("surplus", "roberta.encoder.layer.0.attention.self.query.lora_magnitude_vector", "use_dora")]
    [DataRow("surplus", "classifier.other", "classifier.other")]
    [DataRow("missing", "classifier.dense.bias", "classifier.dense.bias")]
    [DataRow("shape", "lora_A", "[1, 16]")]
    public void TensorsThatDoNotFitAreRefusedByName(string what, string part, string named) => With(folder =>
    {
        Rewrite(folder, tensors =>
        {
            var key = tensors.Keys.FirstOrDefault(k => k.Contains(part, StringComparison.Ordinal) && (part.StartsWith("classifier", StringComparison.Ordinal) || k.StartsWith(Query0, StringComparison.Ordinal)));
            switch (what)
            {
                case "missing": tensors.Remove(key!); break;
                case "surplus": tensors[$"base_model.model.{part}.weight"] = zeros(4, 16); break;
                default: tensors[key!] = tensors[key!].narrow(0, 0, 1); break;
            }
            return tensors;
        });
        var error = Assert.ThrowsExactly<InvalidDataException>(() =>
        {
            using var read = PeftFolder.Open(folder);
            read.Read(TinyModel.Config);
        });
        StringAssert.Contains(error.Message, named);
    });

    [TestMethod]
    [DataRow("classifier.dense")]
    [DataRow("classifier.out_proj")]
    public void TheHeadsPartThatWasNotTrainedIsTheBasesOwn(string part) => With(folder =>
    {
        using var scope = NewDisposeScope();
        var head = Head(folder, null);
        Rewrite(folder, tensors => tensors.Where(t => !t.Key.Contains(part, StringComparison.Ordinal)).ToDictionary());
        var own = head.Where(h => h.Key.StartsWith(part, StringComparison.Ordinal)).ToDictionary(h => h.Key, h => h.Value + 1);

        var again = Head(folder, own);

        foreach (var (name, value) in head)
            TensorAssert.Identical(own.GetValueOrDefault(name, value), again[name], name);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Head(folder, []));
        StringAssert.Contains(error.Message, part);
        StringAssert.Contains(error.Message, "modules_to_save");
    });

    /// <summary>The head that an adapter makes with the head of a base.</summary>
    private static IReadOnlyDictionary<string, Tensor> Head(string folder, Dictionary<string, Tensor>? ofBase)
    {
        using var read = PeftFolder.Open(folder);
        Assert.AreEqual(ofBase is not null, read.HasPartOfHead);
        if (ofBase is not null)
        {
            using var checkpoint = new TemporaryFolder();
            var files = TinyCheckpoint.Files();
            files["model.safetensors"] = TinyCheckpoint.Safetensors(TinyCheckpoint.Tensors().Concat(ofBase).ToDictionary());
            TinyCheckpoint.Write(checkpoint.Path, files);
            using var opened = RobertaCheckpoint.FromDirectory(checkpoint.Path).Open(null, CancellationToken.None);
            read.CompleteHead(opened);
        }
        Assert.AreEqual(3, read.Outputs);
        return read.Read(TinyModel.Config).Head!;
    }

    [TestMethod]
    public void AFolderWithoutItsFilesIsRefusedWithAdvice() => With(folder =>
    {
        Assert.ThrowsExactly<DirectoryNotFoundException>(() => PeftFolder.Open(folder + "-not"));
        File.Move(Path.Combine(folder, PeftNames.Weights), Path.Combine(folder, PeftNames.Pickle));
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => PeftFolder.Open(folder)).Message, "safe_serialization=True");
        File.Delete(Path.Combine(folder, PeftNames.Pickle));
        StringAssert.Contains(Assert.ThrowsExactly<FileNotFoundException>(() => PeftFolder.Open(folder)).Message, PeftNames.Weights);
        File.Delete(Path.Combine(folder, PeftNames.Config));
        StringAssert.Contains(Assert.ThrowsExactly<FileNotFoundException>(() => PeftFolder.Open(folder)).Message, PeftNames.Config);
    });

    [TestMethod]
    public void AnAdapterOfABareEncoderHasNoHead() => With(folder =>
    {
        Rewrite(folder, tensors => tensors.Where(t => !t.Key.Contains("classifier", StringComparison.Ordinal))
            .ToDictionary(t => t.Key.Replace("model.roberta.", "model.", StringComparison.Ordinal), t => t.Value));
        using var read = PeftFolder.Open(folder);
        var weights = read.Read(TinyModel.Config);
        Assert.IsNull(weights.Head);
        Assert.AreEqual(0, read.Outputs);
        Assert.AreEqual("roberta.encoder.layer.0.attention.self.query", weights.Adapters[0].Target.ModuleName);
    });

    [TestMethod]
    public void ExcludedModulesGetNoAdapter() => With(folder =>
    {
        Rewrite(folder, tensors => tensors.Where(t => !t.Key.Contains("value", StringComparison.Ordinal)).ToDictionary());
        var path = Path.Combine(folder, PeftNames.Config);
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        json["exclude_modules"] = new JsonArray("value");
        File.WriteAllText(path, json.ToJsonString());
        using var read = PeftFolder.Open(folder);
        Assert.IsTrue(read.Read(TinyModel.Config).Adapters.All(a => a.Target.ModuleName.EndsWith("query", StringComparison.Ordinal)));
    });

    [TestMethod]
    public void AFullFolderIsNeverOverwritten() => With(folder =>
    {
        var before = Directory.GetFiles(folder).ToDictionary(f => f, File.GetLastWriteTimeUtc);
        using var read = PeftFolder.Open(folder);
        var weights = read.Read(TinyModel.Config);
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => PeftWriter.Write(folder, weights, read.Config)).Message, folder);
        CollectionAssert.AreEquivalent(before.ToArray(), Directory.GetFiles(folder).ToDictionary(f => f, File.GetLastWriteTimeUtc).ToArray());
        var failed = folder + "-failed";
        Assert.ThrowsExactly<InvalidOperationException>(() => AtomicFolder.Write(failed, f =>
        {
            File.WriteAllText(Path.Combine(f, "half"), "");
            throw new InvalidOperationException();
        }));
        CollectionAssert.AreEqual(new[] { folder }, Directory.GetFileSystemEntries(Path.GetDirectoryName(folder)!));
    });

    private static PeftWeights Weights(FineTunedState state) => new(
        PlainLoraConversion.Convert(state, _ => throw new AssertFailedException("The base is not needed.")),
        ClassificationHead.Layout(state.Config, state.Outputs).ToDictionary(l => l.Name, l => state.Tensors[l.Name]), 0);

    /// <summary>Runs a test on a good adapter folder of query and value.</summary>
    private static void With(Action<string> test)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        using var weights = TinyModel.Base();
        using var state = PlainLoraConversionTests.Trained(weights, "plain", change: s => s with { TargetModules = TargetModules.QueryValue });
        var written = Weights(state);
        PeftWriter.Write(temporary.File("adapter"), written, PeftWriter.Config(written, state.Config, null, null));
        test(temporary.File("adapter"));
    }

    private static void Rewrite(string folder, Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> change)
    {
        var path = Path.Combine(folder, PeftNames.Weights);
        Dictionary<string, Tensor> tensors;
        using (var file = SafetensorsFile.Open(path))
            tensors = file.Names.ToDictionary(n => n, n => file.Read(n));
        SafetensorsWriter.Write(path, change(tensors));
    }
}
