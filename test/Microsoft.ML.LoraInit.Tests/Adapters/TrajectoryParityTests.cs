using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using Microsoft.ML.LoraInit.Training.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>Twenty steps of AdamW from PEFT's own factors must take PEFT's course.</summary>
[TestClass]
public sealed class TrajectoryParityTests
{
    private const double Relative = 1e-4;
    private const double LogitsTolerance = 1e-3;
    private const double BaseTolerance = 1e-5;

    // Of the norm of ΔW after the last step: where a gradient is nearly 0, Adam turns rounding into steps.
    private const double DeltaTolerance = 1e-2;

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Trajectories), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void LossesNormsAndLogitsFollowPeft(string folder, string name) => Follow(folder, name, fused: false);

    /// <summary>The same by the engine's fast passes: the fused encoder where the adapters are plain LoRA, and the update whose numbers lie on the device.</summary>
    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Trajectories), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void SoDoTheFastPasses(string folder, string name) => Follow(folder, name, fused: true);

    private static void Follow(string folder, string name, bool fused)
    {
        using var scope = NewDisposeScope();
        var run = new Trajectory(folder, name);
        using var forward = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var file = SafetensorsFile.Open(Path.Combine(folder, $"train_{name}.safetensors"));
        using var model = ParityModel.Load(folder, forward);
        var targets = AdapterPlanner.Plan(run.Settings, model.Config);
        AdapterAttacher.Attach(model, targets, run.Factors(file, targets), run.Settings);
        CompareStart(file, model, targets);

        using var parameters = new TrainableParameters(model.Parameters);
        using var optimizer = new FlatAdamW(parameters, run.AdamW);
        var batch = ParityModel.Batch(forward);
        var labels = file.Read("labels");
        var expectedAfter = file.Read("logits_after");
        TensorAssert.Close(file.Read("logits_before"), Logits(model, parameters, batch), LogitsTolerance, "logits_before");

        using var pass = fused ? FastPass(model, parameters) : null;
        var lossSum = zeros(1, ScalarType.Float64);
        var schedule = run.Schedule;
        for (int step = 0; step < run.Steps.Count; step++)
        {
            using var stepScope = NewDisposeScope();
            var (expectedLoss, expectedNorm, expectedRate) = run.Steps[step];
            Tensor loss, norm;
            if (pass is null)
            {
                parameters.Bind();
                loss = nn.functional.cross_entropy(model.forward(batch, ForwardContext.Inference), labels);
                optimizer.ZeroGradient();
                loss.backward();
                norm = GradientClipping.Apply(parameters, run.Clip);
                optimizer.Step(schedule.At(step));
            }
            else
            {
                lossSum.zero_();
                pass.Run(new(batch, null, labels, null, tensor(1f / batch.Rows)), lossSum);
                loss = lossSum.to(ScalarType.Float32) / batch.Rows;
                norm = linalg.vector_norm(parameters.Gradient(), 2.0);
                optimizer.Update(tensor(optimizer.NextScalars(schedule.At(step))), run.Clip, null);
            }

            Close(expectedRate, schedule.At(step), 1e-9, $"learning rate of step {step}");
            Close(expectedLoss, loss.item<float>(), Relative, $"loss of step {step}");
            Close(expectedNorm, norm.item<float>(), Relative, $"gradient norm of step {step}");
        }
        TensorAssert.Close(expectedAfter, Logits(model, parameters, batch), LogitsTolerance, "logits_after");
        CompareEnd(Path.Combine(folder, $"peft_{name}"), model, parameters);
    }

    private static GradientPass FastPass(RobertaClassifier model, TrainableParameters parameters)
    {
        var (kernels, task) = (new TensorKernels(), new MulticlassTask(model.Outputs));
        var encoder = FusedEncoder.TryCreate(model, parameters, kernels);
        var plain = model.Linears.All(l => l.Adapter is null or LoraAdapter);
        Assert.AreEqual(plain, encoder is not null);
        return encoder is null ? new TapePass(model, parameters, task, kernels) : new FusedPass(model, parameters, task, encoder, kernels);
    }

    /// <summary>Our merged weights, computed from the untouched base, against PEFT's trained adapter where the folder has it.</summary>
    private static void CompareEnd(string peft, RobertaClassifier model, TrainableParameters parameters)
    {
        if (!Directory.Exists(peft))
            return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var snapshot = parameters.Snapshot();
        using var state = FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming(), snapshot);
        var merged = state.MergedWeights(model.Base, CPU, ScalarType.Float32);

        using var file = SafetensorsFile.Open(Path.Combine(peft, "adapter_model.safetensors"));
        var settings = Trajectory.Read(JsonNode.Parse(File.ReadAllText(Path.Combine(peft, "adapter_config.json")))!.AsObject());
        foreach (var target in AdapterPlanner.Plan(settings, model.Config))
        {
            var stored = $"base_model.model.{target.ModuleName}";
            var magnitude = $"{stored}.lora_magnitude_vector";
            var blueprint = new AdapterBlueprint(target, settings.UseDora ? AdapterKind.Dora : AdapterKind.Lora,
                AdapterBlueprint.PartsOf(new(file.Read($"{stored}.lora_A.weight"), file.Read($"{stored}.lora_B.weight")), settings.UseDora ? file.Read(magnitude) : null), null, 0);
            var weight = model.Base[$"{target.ModuleName}.weight"];
            using var theirs = blueprint.Build(weight, CPU);
            var expected = theirs.EffectiveWeight(weight) - weight;
            var difference = (merged[$"{target.ModuleName}.weight"] - weight - expected).norm().item<float>() / expected.norm().item<float>();
            Assert.IsTrue(difference <= DeltaTolerance, $"{target.ModuleName}: the trained change differs from PEFT's by {difference:g3} of its norm");
        }
        foreach (var tensor in snapshot.Values.Concat(merged.Values))
            tensor.Dispose();
    }

    private static void CompareStart(SafetensorsFile file, RobertaClassifier model, IReadOnlyList<AdapterTarget> targets)
    {
        var linears = model.Linears.ToDictionary(l => l.Name);
        var stored = Trajectory.Stored(file, "init.", ".lora_A.weight").Select(s => s.Module).ToArray();
        CollectionAssert.AreEquivalent(stored, targets.Select(t => t.ModuleName).ToArray(), "the layers adapted");
        foreach (var (module, name) in Trajectory.Stored(file, "base.", ".base_layer.weight"))
            TensorAssert.Close(file.Read(name), linears[module].Weight.Value, BaseTolerance, name);
        foreach (var (module, name) in Trajectory.Stored(file, "init.", ".lora_magnitude_vector.weight"))
            TensorAssert.Close(file.Read(name), ((DoraAdapter)linears[module].Adapter!).Magnitude.Value, BaseTolerance, name);
    }

    private static Tensor Logits(RobertaClassifier model, TrainableParameters parameters, EncodedBatch batch)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        parameters.Bind();
        return model.forward(batch, ForwardContext.Inference).MoveToOuterDisposeScope();
    }

    private static void Close(double expected, double actual, double tolerance, string what) =>
        Assert.IsTrue(Math.Abs(actual - expected) <= tolerance * Math.Abs(expected), $"{what}: {actual:g9} where {expected:g9} is expected");
}
