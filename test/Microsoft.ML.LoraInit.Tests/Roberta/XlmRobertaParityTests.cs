using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

/// <summary>The full fixture's numbers; inconclusive where it is not named.</summary>
[TestClass]
[TestCategory(ParityData.Category)]
public sealed class XlmRobertaParityTests
{
    private const double Tolerance = 1e-4;

    [TestMethod]
    public void HiddenStatesAndLogitsEqualTransformers()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var folder = XlmrData.Require("xlm-roberta-tiny");
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var files = RobertaCheckpoint.FromDirectory(folder).Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var model = new RobertaClassifier(weights, 3, files.LoadTensors(n => n.StartsWith("classifier.", StringComparison.Ordinal), CPU, ScalarType.Float32));
        int compared = 0;
        var context = new ForwardContext { OnHiddenState = (index, hidden) => TensorAssert.Close(expected.Read($"hidden_{index}"), hidden, Tolerance, $"hidden_{compared++}") };

        var logits = model.forward(ParityModel.Batch(expected), context);

        TensorAssert.Close(expected.Read("logits"), logits, Tolerance, "logits");
        Assert.AreEqual(4, compared);
    }

    [TestMethod]
    public void AnAdapterOfPeftGivesItsLogits()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var folder = XlmrData.Require("xlm-roberta-tiny");
        using var batch = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "peft_logits.safetensors"));
        using var files = RobertaCheckpoint.FromDirectory(folder).Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var adapter = PeftFolder.Open(Path.Combine(folder, "peft_lora"));
        using var state = adapter.Read(files.Config).ToState(files.Identity, files.Config);
        using var model = state.Rebuild(weights);

        TensorAssert.Close(expected.Read("logits_after"), model.forward(ParityModel.Batch(batch), ForwardContext.Inference), Tolerance, "logits_after");
    }
}
