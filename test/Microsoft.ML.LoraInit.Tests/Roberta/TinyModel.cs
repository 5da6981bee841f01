using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

/// <summary>A RoBERTa of a few thousand random weights, for tests of what does not depend on language.</summary>
internal static class TinyModel
{
    public static RobertaConfig Config { get; } = new()
    {
        VocabularySize = 40,
        HiddenSize = 16,
        Layers = 3,
        Heads = 4,
        IntermediateSize = 32,
        MaxPositions = 34,
        HiddenDropout = 0.1,
        AttentionDropout = 0.1,
        ClassifierDropout = 0.1,
    };

    public static BaseIdentity Identity { get; } = new("tiny", new string('a', 64));

    /// <summary>Weights ~ N(0, 0.3), so that a change anywhere shows in the logits.</summary>
    public static BaseWeights Base(RobertaConfig? config = null, ScalarType dtype = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return new(config ?? Config, Identity, EncoderTensors.Expected(config ?? Config).ToDictionary(t => t.Name, t =>
        {
            using var generator = new Generator(SeededRandom.Hash(7, t.Name), CPU);
            var value = empty(t.Shape).normal_(0.0, 0.3, generator);
            return (t.Name.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? value + 1 : value).to(dtype);
        }));
    }

    public static RobertaClassifier Create(BaseWeights weights, int outputs = 3, int seed = 1) =>
        new(weights, outputs, HeadInitializer.Create(weights.Config with { InitializerRange = 0.3 }, outputs, seed, weights.Device));

    public static RobertaClassifier Create(int outputs = 3)
    {
        using var weights = Base();
        return Create(weights, outputs);
    }

    /// <summary>Four rows, the last two padded.</summary>
    public static EncodedBatch Batch()
    {
        var ids = tensor(new long[]
        {
            0, 5, 6, 7, 8, 9, 10, 2,
            0, 11, 12, 13, 14, 15, 16, 2,
            0, 17, 18, 19, 20, 2, 1, 1,
            0, 21, 22, 2, 1, 1, 1, 1,
        }, 4, 8);
        return new(ids, ids.ne(1));
    }

    public static Tensor Labels() => tensor(new long[] { 0, 1, 2, 1 });

    /// <summary>Logits without dropout, in the caller's scope.</summary>
    public static Tensor Logits(RobertaClassifier model)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return model.forward(Batch(), ForwardContext.Inference).MoveToOuterDisposeScope();
    }
}
