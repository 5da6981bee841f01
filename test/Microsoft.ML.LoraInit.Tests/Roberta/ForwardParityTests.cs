using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

[TestClass]
public sealed class ForwardParityTests
{
    private const double Tolerance = 1e-4;

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void HiddenStatesAndLogitsEqualTransformers(string folder)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var model = ParityModel.Load(folder, expected);
        var compared = new List<string>();
        var context = new ForwardContext
        {
            OnHiddenState = (index, hidden) =>
            {
                var name = $"hidden_{index}";
                if (!expected.Contains(name))
                    return;
                TensorAssert.Close(expected.Read(name), hidden, Tolerance, name);
                compared.Add(name);
            },
        };

        var logits = model.forward(ParityModel.Batch(expected), context);

        TensorAssert.Close(expected.Read("logits"), logits, Tolerance, "logits");
        var stored = expected.Names.Where(n => n.StartsWith("hidden_", StringComparison.Ordinal)).ToArray();
        Assert.AreNotEqual(0, stored.Length);
        CollectionAssert.AreEquivalent(stored, compared);
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void SpelledOutAttentionEqualsTheFusedOperator(string folder)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var files = ParityModel.Open(folder);
        using var loaded = files.LoadWeights(CPU, ScalarType.Float32);
        // A dropout too small to drop anything takes the path that training with dropout takes.
        var config = files.Config with { AttentionDropout = 1e-12, HiddenDropout = 0, ClassifierDropout = 0 };
        using var weights = new BaseWeights(config, files.Identity, loaded.Tensors.ToDictionary(t => t.Key, t => t.Value.alias()));
        using var model = new RobertaClassifier(weights, 3, expected.Names.Where(n => n.StartsWith("classifier.", StringComparison.Ordinal)).ToDictionary(n => n, n => expected.Read(n)));
        using var generator = KernelDropout.FromSeed(1, CPU);

        var logits = model.forward(ParityModel.Batch(expected), new ForwardContext { Dropout = generator });

        TensorAssert.Close(expected.Read("logits"), logits, Tolerance, "logits");
    }

    [TestMethod]
    [TestCategory(ParityData.Category)]
    public void MaskedLanguageLogitsEqualTransformers()
    {
        var path = ParityData.RequireShared(Path.Combine("parity", "mlm_forward.safetensors"));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var expected = SafetensorsFile.Open(path);
        using var files = ParityModel.Open(Path.GetDirectoryName(path)!);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var model = new RobertaClassifier(weights, 1, LoraInit.Training.HeadInitializer.Create(files.Config, 1, 0, CPU));
        var head = new MaskedLanguageHead(files.Config, files.LoadTensors(n => n.StartsWith("lm_head.", StringComparison.Ordinal), CPU, ScalarType.Float32));

        var logits = head.forward(model.Encode(ParityModel.Batch(expected), ForwardContext.Inference), model.Embeddings.Word);

        TensorAssert.Close(expected.Read("mlm_logits"), logits, Tolerance, "mlm_logits");
    }
}
