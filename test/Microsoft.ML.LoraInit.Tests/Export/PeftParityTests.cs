using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Export;

/// <summary>The adapters that PEFT wrote after the recorded trainings, read here, and written as PEFT writes them.</summary>
[TestClass]
public sealed class PeftParityTests
{
    private const double Tolerance = 1e-4;

    public static IEnumerable<object[]> Adapters =>
        from folder in ParityData.Folders
        from path in Directory.EnumerateDirectories((string)folder[0], "peft_*").Order(StringComparer.Ordinal)
        select new[] { folder[0], Path.GetFileName(path)["peft_".Length..] };

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(Adapters), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void TheAdapterGivesTheLogitsOrTheWeightsOfItsTraining(string folder, string name)
    {
        using var scope = NewDisposeScope();
        using var files = ParityModel.Open(folder);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var adapter = PeftFolder.Open(Path.Combine(folder, $"peft_{name}"));
        var read = adapter.Read(files.Config);
        if (read.Head is null)
            CompareConversion(folder, name, read.Adapters);
        else
            CompareLogits(folder, name, read, weights);
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(Adapters), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void WhatWasReadIsWrittenAsPeftWroteIt(string folder, string name)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        using var files = ParityModel.Open(folder);
        var (theirs, ours) = (Path.Combine(folder, $"peft_{name}"), temporary.File("adapter"));
        using (var adapter = PeftFolder.Open(theirs))
        {
            var read = adapter.Read(files.Config);
            PeftWriter.Write(ours, read, PeftWriter.Config(read, files.Config, adapter.Config.BaseModel, adapter.Config.Revision));
        }

        using (var expected = SafetensorsFile.Open(Path.Combine(theirs, "adapter_model.safetensors")))
        using (var actual = SafetensorsFile.Open(Path.Combine(ours, "adapter_model.safetensors")))
        {
            CollectionAssert.AreEqual(expected.Names.Order(StringComparer.Ordinal).ToArray(), actual.Names.Order(StringComparer.Ordinal).ToArray());
            CollectionAssert.AreEquivalent(expected.Metadata.ToArray(), actual.Metadata.ToArray());
            foreach (var tensor in expected.Names)
                TensorAssert.Identical(expected.Read(tensor), actual.Read(tensor), tensor);
        }
        var (expectedConfig, actualConfig) = (Config(theirs, files.Config), Config(ours, files.Config));
        CollectionAssert.AreEqual(expectedConfig.Select(p => p.Key).ToArray(), actualConfig.Select(p => p.Key).ToArray());
        foreach (var (key, value) in expectedConfig)
            Assert.IsTrue(JsonNode.DeepEquals(value, actualConfig[key]), $"{key}: {actualConfig[key]?.ToJsonString()} where PEFT wrote {value?.ToJsonString()}");
    }

    private static void CompareLogits(string folder, string name, PeftWeights read, BaseWeights weights)
    {
        using var forward = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var training = SafetensorsFile.Open(Path.Combine(folder, $"train_{name}.safetensors"));
        using var state = read.ToState(weights.Identity, weights.Config);
        using var model = state.BuildMerged(weights, CPU, ScalarType.Float32);
        using var noGrad = no_grad();
        TensorAssert.Close(training.Read("logits_after"), model.forward(ParityModel.Batch(forward), ForwardContext.Inference), Tolerance, "logits_after");
    }

    /// <summary>Our conversion at the end of the recorded training against PEFT's.</summary>
    private static void CompareConversion(string folder, string name, IReadOnlyList<PlainAdapter> theirs)
    {
        using var state = TrainAsRecorded(folder, name);
        using var noGrad = no_grad();
        var ours = PlainLoraConversion.Convert(state, _ => throw new AssertFailedException("The base is not needed."));
        Assert.AreEqual(theirs.Count, ours.Count);
        foreach (var (expected, actual) in theirs.Zip(ours))
        {
            Assert.AreEqual(expected.Target, actual.Target);
            Assert.IsTrue(actual.TrainedRank < actual.Target.Rank, "the base was corrected, so the rank grew");
            TensorAssert.Close(Delta(expected), Delta(actual), Tolerance, expected.Target.ModuleName);
        }

        static Tensor Delta(PlainAdapter adapter) => adapter.B.matmul(adapter.A) * adapter.Target.Scaling;
    }

    private static FineTunedState TrainAsRecorded(string folder, string name)
    {
        var run = new Trajectory(folder, name);
        using var forward = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var file = SafetensorsFile.Open(Path.Combine(folder, $"train_{name}.safetensors"));
        using var model = ParityModel.Load(folder, forward);
        var targets = AdapterPlanner.Plan(run.Settings, model.Config);
        AdapterAttacher.Attach(model, targets, run.Factors(file, targets), run.Settings);
        using var parameters = new TrainableParameters(model.Parameters);
        using var optimizer = new FlatAdamW(parameters, run.AdamW);
        var (batch, labels, schedule) = (ParityModel.Batch(forward), file.Read("labels"), run.Schedule);
        for (int step = 0; step < run.Steps.Count; step++)
        {
            using var scope = NewDisposeScope();
            parameters.Bind();
            var loss = nn.functional.cross_entropy(model.forward(batch, ForwardContext.Inference), labels);
            optimizer.ZeroGradient();
            loss.backward();
            GradientClipping.Apply(parameters, run.Clip);
            optimizer.Step(schedule.At(step));
        }
        var trained = parameters.Snapshot();
        try
        {
            return FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming(), trained);
        }
        finally
        {
            foreach (var tensor in trained.Values)
                tensor.Dispose();
        }
    }

    /// <summary>The configuration with its targets replaced by the layers that they choose: PEFT writes a set in any order.</summary>
    private static JsonObject Config(string folder, RobertaConfig config)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!.AsObject();
        using var adapter = PeftFolder.Open(folder);
        json["target_modules"] = new JsonArray([.. adapter.Targets(config).Select(t => JsonValue.Create(t.ToString()))]);
        json.Remove("rank_pattern");
        json.Remove("alpha_pattern");
        return json;
    }
}
