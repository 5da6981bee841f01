using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

[TestClass]
public sealed class FineTunedStateTests
{
    private const int TrainingSteps = 4;

    /// <summary>A name for the report, the method, and what the initialisation does.</summary>
    public static IEnumerable<object[]> Cases =>
    [
        ["lora", "lora", "plain"], ["lora, rank 0 on some layers", "lora", "some"], ["lora, base corrected", "lora", "subtract"],
        ["lora, base replaced", "lora", "replace"], ["lora, A frozen", "lora", "freeze"], ["dora", "lora", "dora"],
        ["dora, base corrected", "lora", "dora-subtract"], ["three matrices", "lora", "middle"], ["three matrices, base corrected", "lora", "middle-subtract"],
        ["head", "head", ""], ["bitfit", "bitfit", ""], ["full", "full", ""], ["houlsby", "houlsby:size=4", ""], ["pfeiffer", "pfeiffer:size=4", ""], ["lin", "lin:size=4,skip=1", ""],
    ];

    public static string CaseName(System.Reflection.MethodInfo method, object[] data) => $"{method.Name} ({data[0]})";

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void MergedModelComputesWhatTheTrainedOneComputes(string name, string method, string start)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var model = Trained(weights, method, start);
        using var state = FineTunedState.Capture(model, FineTuningMethod.Parse(method), LoraInitialization.Kaiming());
        using var untrained = TinyModel.Create(weights);
        Assert.IsTrue((TinyModel.Logits(untrained) - TinyModel.Logits(model)).abs().max().item<float>() > 1e-3, $"{name}: training changed nothing");

        using var merged = state.BuildMerged(weights, CPU, ScalarType.Float32);

        TensorAssert.Close(TinyModel.Logits(model), TinyModel.Logits(merged), 1e-4, name);
        Assert.IsTrue(merged.Linears.All(l => l.Adapter is null));
        foreach (var linear in model.Linears)
        {
            var effective = linear.Adapter?.EffectiveWeight(linear.Weight.Value) ?? linear.Weight.Value;
            TensorAssert.Close(effective, merged.Linears.Single(l => l.Name == linear.Name).Weight.Value, 1e-5, linear.Name);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void AFileGivesTheSameBits(string name, string method, string start)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Base();
        using var model = Trained(weights, method, start);
        using var state = FineTunedState.Capture(model, FineTuningMethod.Parse(method), LoraInitialization.Kaiming());
        SafetensorsWriter.Write(folder.File("m.safetensors"), state.Tensors);
        using var file = SafetensorsFile.Open(folder.File("m.safetensors"));
        var description = DescriptionJson.Read(DescriptionJson.Of(state));

        using var read = new FineTunedState(state.Base, state.Config, state.Outputs, description, file.Names.ToDictionary(n => n, n => file.Read(n)));

        using var inMemory = state.BuildMerged(weights, CPU, ScalarType.Float32);
        using var fromFile = read.BuildMerged(weights, CPU, ScalarType.Float32);
        TensorAssert.Identical(TinyModel.Logits(inMemory), TinyModel.Logits(fromFile), name);
        var again = read.MergedWeights(weights, CPU, ScalarType.Float32);
        foreach (var (tensor, value) in state.MergedWeights(weights, CPU, ScalarType.Float32))
            TensorAssert.Identical(value, again[tensor], tensor);
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void RebuiltModelGoesOnAsTheOriginal(string name, string method, string start)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var model = Trained(weights, method, start);
        using var state = FineTunedState.Capture(model, FineTuningMethod.Parse(method), LoraInitialization.Kaiming());

        using var rebuilt = state.Rebuild(weights);

        TensorAssert.Identical(TinyModel.Logits(model), TinyModel.Logits(rebuilt), name);
        CollectionAssert.AreEqual(model.Parameters.Select(p => p.ToString()).ToArray(), rebuilt.Parameters.Select(p => p.ToString()).ToArray());
        var (expected, actual) = (Steps.Run(model, 2, dropoutSeed: 9), Steps.Run(rebuilt, 2, dropoutSeed: 9));
        foreach (var (parameter, value) in expected)
            TensorAssert.Identical(value, actual[parameter], $"{name}: {parameter}");
        Steps.Free(expected);
        Steps.Free(actual);
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void ThePredictorComputesWhatTheTrainedModelComputes(string name, string method, string start)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var model = Trained(weights, method, start);
        using var state = FineTunedState.Capture(model, FineTuningMethod.Parse(method), LoraInitialization.Kaiming());
        var parts = new Dictionary<string, Tensor>(state.MergedWeights(weights, CPU, ScalarType.Float32), StringComparer.Ordinal);
        foreach (var (tensor, value) in state.Bottlenecks)
            parts.Add(tensor, value.clone());
        using var predictor = new RobertaPredictor(state.Config, parts);
        var batch = TinyModel.Batch();
        var texts = Enumerable.Range(0, (int)batch.Rows)
            .Select(i => new EncodedText([.. batch.InputIds[i].data<long>().Where(id => id != state.Config.PadTokenId).Select(id => (int)id)])).ToArray();

        var scores = predictor.Predict(texts);

        TensorAssert.Close(TinyModel.Logits(model), tensor(scores.SelectMany(s => s).ToArray(), scores.Length, state.Outputs), 1e-4, name);
    }

    [TestMethod]
    public void TheDescriptionTellsWhatWasDone()
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var model = Trained(weights, "lora", "subtract");
        using var state = FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming());

        var json = DescriptionJson.Of(state);
        Assert.AreEqual("lora", (string?)json["method"]!["name"]);
        Assert.AreEqual("kaiming", (string?)json["initialization"]!["name"]);
        var first = json["adapters"]![0]!;
        Assert.AreEqual("roberta.encoder.layer.0.attention.self.query", (string?)first["module"]);
        Assert.AreEqual("lora", (string?)first["kind"]);
        Assert.AreEqual(4, (int)first["rank"]!);
        Assert.AreEqual(1.5, (double)first["scaling"]!);
        Assert.AreEqual("subtracted", (string?)first["correction"]);
        Assert.AreEqual(TinyModel.Identity, state.Base);
        Assert.AreEqual(0, state.Bottlenecks.Count);
        // head, and A, B and their beginnings on each of the layers.
        Assert.AreEqual(4 + 4 * model.Linears.Count, state.Tensors.Count);
    }

    [TestMethod]
    public void BottlenecksAreListedWhereTheyCannotMerge()
    {
        using var weights = TinyModel.Base();
        using var model = Trained(weights, "houlsby:size=4", "");
        using var state = FineTunedState.Capture(model, FineTuningMethod.Houlsby(4), null);
        Assert.AreEqual(TinyModel.Config.Layers * 2 * 4, state.Bottlenecks.Count);
        Assert.IsTrue(state.Bottlenecks.Keys.All(n => n.Contains(".bottleneck.", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void ASnapshotTakesTheModelsPlace()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        AdapterTests.Attach(model);
        var best = Steps.Run(model, 2);
        Steps.Free(Steps.Run(model, 2));

        using var state = FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming(), best);

        foreach (var (name, value) in best)
            TensorAssert.Identical(value, state.Tensors[name], name);
        Steps.Free(best);
    }

    [TestMethod]
    public void AnotherBaseIsRefused()
    {
        using var weights = TinyModel.Base();
        using var model = Trained(weights, "lora", "plain");
        using var state = FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming());
        using var scope = NewDisposeScope();
        using var other = new BaseWeights(TinyModel.Config, new("other", new string('b', 64)), weights.Tensors.ToDictionary(t => t.Key, t => t.Value.clone()));
        foreach (var use in new Action[] { () => state.Rebuild(other), () => state.MergedWeights(other, CPU, ScalarType.Float32) })
        {
            var error = Assert.ThrowsExactly<InvalidDataException>(use);
            StringAssert.Contains(error.Message, new string('a', 64));
            StringAssert.Contains(error.Message, new string('b', 64));
        }
    }

    [TestMethod]
    [DataRow("missing", "lora_A")]
    [DataRow("surplus", "roberta.extra")]
    [DataRow("shape", "lora_B")]
    [DataRow("type", "classifier.dense.bias")]
    [DataRow("layer", "no.such.layer")]
    [DataRow("rank", "rank 0")]
    [DataRow("scaling", "scaling 99")]
    [DataRow("twice", "two adapters")]
    public void ADamagedStateIsRefusedByName(string damage, string expected)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var model = Trained(weights, "lora", "plain");
        using var state = FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming());
        var tensors = state.Tensors.ToDictionary(t => t.Key, t => t.Value.clone());
        var adapters = state.Description.Adapters.ToList();
        const string Module = "roberta.encoder.layer.0.attention.self.query";
        switch (damage)
        {
            case "missing": tensors.Remove($"{Module}.lora_A"); break;
            case "surplus": tensors["roberta.extra"] = zeros(1); break;
            case "shape": tensors[$"{Module}.lora_B"] = zeros([5, 4]); break;
            case "type": tensors["classifier.dense.bias"] = zeros(16, ScalarType.Float64); break;
            case "layer": adapters[0] = adapters[0] with { Module = "no.such.layer" }; break;
            case "rank": adapters[0] = adapters[0] with { Rank = 0 }; break;
            case "scaling": adapters[0] = adapters[0] with { Scaling = 99 }; break;
            case "twice": adapters.Add(adapters[0]); break;
        }
        var error = Assert.ThrowsExactly<InvalidDataException>(() => new FineTunedState(state.Base, state.Config, state.Outputs, state.Description with { Adapters = adapters }, tensors));
        StringAssert.Contains(error.Message, expected);
        Assert.IsTrue(tensors.Values.All(t => t.IsInvalid), "a refused state frees what it took over");
    }

    private static RobertaClassifier Trained(BaseWeights weights, string method, string start)
    {
        var model = TinyModel.Create(weights);
        var settings = AdapterTests.Settings with { UseDora = start.StartsWith("dora", StringComparison.Ordinal) };
        InitializedAdapter Change(InitializedAdapter f) => start switch
        {
            "subtract" or "dora-subtract" or "middle-subtract" => f with { SubtractFromBase = true },
            "replace" => f with { ReplacementBase = full([f.B.shape[0], f.A.shape[1]], 0.05) },
            "freeze" => f with { FreezeA = true },
            "some" => f.A.shape[1] == 32 ? f with { A = zeros([0, 32]), B = zeros([f.B.shape[0], 0]) } : f,
            _ => f,
        };
        FineTuningMethod.Parse(method).Apply(model, settings, 11, targets => AdapterTests.RandomFactors(targets, Change, start.StartsWith("middle", StringComparison.Ordinal)));
        Steps.Free(Steps.Run(model, TrainingSteps, dropoutSeed: 2));
        return model;
    }
}
