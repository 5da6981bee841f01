using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
public sealed class RobertaPredictorParityTests
{
    [TestMethod]
    [TestCategory(ParityData.Category)]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void LogitsEqualTransformers(string folder)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "forward.safetensors"));
        using var files = ParityModel.Open(folder);
        using var encoder = files.LoadWeights(CPU, ScalarType.Float32);
        var weights = encoder.Tensors.ToDictionary(w => w.Key, w => w.Value.alias());
        foreach (var name in expected.Names.Where(n => n.StartsWith("classifier.", StringComparison.Ordinal)))
            weights.Add(name, expected.Read(name));
        using var predictor = new RobertaPredictor(files.Config, weights);

        var actual = predictor.Predict(Unpadded(expected));

        var logits = expected.Read("logits").data<float>().ToArray();
        Assert.AreEqual(logits.Length, actual.Sum(row => row.Length));
        foreach (var (reference, score) in logits.Zip(actual.SelectMany(row => row)))
            Assert.AreEqual(reference, score, 1e-4);
    }

    private static EncodedText[] Unpadded(SafetensorsFile expected)
    {
        var batch = ParityModel.Batch(expected);
        long length = batch.Length;
        var ids = batch.InputIds.data<long>().ToArray();
        var mask = batch.AttentionMask?.data<bool>().ToArray();
        return [.. Enumerable.Range(0, (int)batch.Rows).Select(row => new EncodedText(
            [.. Enumerable.Range(0, (int)length).Where(i => mask is null || mask[row * length + i]).Select(i => (int)ids[row * length + i])]))];
    }
}
