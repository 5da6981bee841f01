using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>AdaLoRA, LoHa and LoKr take PEFT's course from PEFT's own start, and AdaLoRA cuts what PEFT cuts.</summary>
[TestClass]
public sealed class FamilyParityTests
{
    private const double Relative = 1e-4;
    private const double LogitsTolerance = 1e-3;

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(FamilyRun.Names), typeof(FamilyRun))]
    public void LossesNormsAndLogitsFollowPeft(string name)
    {
        using var scope = NewDisposeScope();
        var run = new FamilyRun(name);
        using var forward = SafetensorsFile.Open(Path.Combine(ParityData.Embedded, "forward.safetensors"));
        using var file = run.Open();
        using var model = ParityModel.Load(ParityData.Embedded, forward);
        run.Attach(model, file);
        using var parameters = new TrainableParameters(model.Parameters);
        using var optimizer = new FlatAdamW(parameters, new AdamWSettings { WeightDecay = 0.1, DecayEverything = true });
        using var hooks = run.Method.Hooks(TinyRun.Of(model, parameters, run.Steps.Count, run.Settings));
        var (batch, labels) = (ParityModel.Batch(forward), file.Read("labels"));
        var schedule = new LearningRate(LearningRateSchedule.Linear, run.Rate, 1, run.Steps.Count);
        TensorAssert.Close(file.Read("logits_before"), Logits(), LogitsTolerance, "logits_before");
        for (int step = 0; step < run.Steps.Count; step++)
        {
            using var stepScope = NewDisposeScope();
            var (loss, norm) = Step(step);
            Close(run.Steps[step].Rate, schedule.At(step), $"rate of step {step}");
            Close(run.Steps[step].Loss, loss, $"loss of step {step}");
            Close(run.Steps[step].GradientNorm, norm, $"gradient norm of step {step}");
            if (hooks is AdaLoraHooks && step >= 4)
                CompareKept(model, parameters, run.Kept(step), step);
        }
        TensorAssert.Close(file.Read("logits_after"), Logits(), LogitsTolerance, "logits_after");

        (double Loss, double Norm) Step(int step)
        {
            parameters.Bind();
            var loss = nn.functional.cross_entropy(model.forward(batch, new ForwardContext { IsTraining = true }), labels);
            if (hooks?.Penalty() is { } penalty)
                loss += penalty;
            optimizer.ZeroGradient();
            loss.backward();
            using var noGrad = no_grad();
            var norm = GradientClipping.Apply(parameters, 1.0);
            hooks?.BeforeUpdate(step, schedule.At(step));
            optimizer.Step(schedule.At(step));
            hooks?.AfterUpdate(step, schedule.At(step));
            return (loss.item<float>(), norm.item<float>());
        }

        Tensor Logits()
        {
            using var inner = NewDisposeScope();
            using var noGrad = no_grad();
            parameters.Bind();
            return model.forward(batch, ForwardContext.Inference).MoveToOuterDisposeScope();
        }
    }

    // At the cuts, and for good once the last is made; between them what was zeroed moves again.
    private static void CompareKept(RobertaClassifier model, TrainableParameters parameters, IReadOnlyDictionary<string, int[]> kept, int step)
    {
        if (step % 2 != 0 && step < 15)
            return;
        parameters.Bind();
        foreach (var adapter in model.Linears.Select(l => l.Adapter).OfType<GatedAdapter>())
            CollectionAssert.AreEqual(kept[adapter.Gate.Name], adapter.Gate.Value.ne(0).to(ScalarType.Int32).data<int>().ToArray(), $"{adapter.Gate.Name} after step {step}");
    }

    private static void Close(double expected, double actual, string what) =>
        Assert.IsTrue(Math.Abs(actual - expected) <= Relative * Math.Abs(expected) + 1e-12, $"{what}: {actual:g9} where {expected:g9} is expected");
}
