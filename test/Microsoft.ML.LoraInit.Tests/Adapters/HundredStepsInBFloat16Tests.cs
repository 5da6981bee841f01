using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>A corrected base after a hundred steps in half precision: what training added is what the same factors add in full precision, as nearly as for plain LoRA.</summary>
[TestClass]
public sealed class HundredStepsInBFloat16Tests
{
    private const int Steps = 100;

    // Moves the states by a quarter of their norm, as fine-tuning does.
    private const double LearningRate = 2e-4;

    // s·B·A of many times the weight's size, as IniLoRA's alpha has it.
    private const int Large = 30;

    private static readonly Lazy<(double Off, double Added)> Plain = new(() => Measure(f => f with { B = zeros_like(f.B) }, false, false));

    // bf16's own rounding of two passes, as plain LoRA has it too: no start may add to it.
    private const double OfPlain = 1.25;

    [TestMethod]
    public void WhatTrainingAddedIsAsNearToFullPrecisionAsPlainLoras() => IsAsNear(Large, dora: false, middle: false);

    [TestMethod]
    [TestCategory("Long")]
    [DataRow(1, false, false, DisplayName = "LoRA with a start of the usual size")]
    [DataRow(1, true, false, DisplayName = "DoRA")]
    [DataRow(1, false, true, DisplayName = "three matrices")]
    public void SoItIsInOtherForms(int size, bool dora, bool middle) => IsAsNear(size, dora, middle);

    private static void IsAsNear(int size, bool dora, bool middle)
    {
        var (plain, plainShare) = Plain.Value;
        var (corrected, share) = Measure(f => f with { A = f.A * Math.Sqrt(size), B = f.B * Math.Sqrt(size), SubtractFromBase = true }, dora, middle);

        Assert.IsTrue(plainShare > 0.1 && share > 0.1, $"training added {plainShare} and {share} of the states' norm, too little to be judged");
        Assert.IsTrue(plain < 0.02, $"plain LoRA is off by {plain}");
        Assert.IsTrue(corrected < OfPlain * plain, $"what training added is off by {corrected} of the states' norm, plain LoRA's by {plain}");
    }

    /// <summary>How far what bf16 training added is from what its factors add in fp32, and how much they add; both as shares of the states' norm.</summary>
    private static (double Off, double Added) Measure(Func<InitializedAdapter, InitializedAdapter> start, bool dora, bool middle)
    {
        using var scope = NewDisposeScope();
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var half = files.LoadWeights(CPU, ScalarType.BFloat16);
        using var full = new BaseWeights(half.Config, half.Identity, half.Tensors.ToDictionary(t => t.Key, t => t.Value.to(ScalarType.Float32)));
        using var trained = Adapted(half);
        using var exact = Adapted(full);
        using var plainHalf = TinyModel.Create(half);
        using var plainFull = TinyModel.Create(full);

        Train(trained);
        using var noGrad = no_grad();
        foreach (var (source, target) in trained.Linears.Zip(exact.Linears).Where(p => p.First.Adapter is not null))
            foreach (var (from, to) in source.Adapter!.Parameters.Zip(target.Adapter!.Parameters))
                to.Replace(from.Value.to(ScalarType.Float32).clone());

        var (before, after) = (Last(plainFull), Last(exact));
        var added = after - before;
        return (((Last(trained) - Last(plainHalf) - added).norm() / after.norm()).item<float>(), (added.norm() / before.norm()).item<float>());

        RobertaClassifier Adapted(BaseWeights weights)
        {
            var model = TinyModel.Create(weights);
            AdapterTests.Attach(model, start, AdapterTests.Settings with { UseDora = dora }, middle);
            return model;
        }
    }

    /// <summary>AdamW on the distance of the first tokens' states to their own at the start, moved at random.</summary>
    private static void Train(RobertaClassifier model)
    {
        using var parameters = new TrainableParameters(model.Linears.SelectMany(l => l.Adapter?.Parameters ?? []));
        using var optimizer = new FlatAdamW(parameters, new AdamWSettings { WeightDecay = 0 });
        using var outer = NewDisposeScope();
        using var generator = new Generator(5, CPU);
        using var noGrad = no_grad();
        var target = model.Encode(TinyModel.Batch(), ForwardContext.Inference).select(1, 0).to(ScalarType.Float32);
        target += empty_like(target).normal_(0.0, 0.3, generator) * target.std();
        for (int step = 0; step < Steps; step++)
        {
            using var scope = NewDisposeScope();
            using var grad = enable_grad();
            parameters.Bind();
            var loss = (model.Encode(TinyModel.Batch(), ForwardContext.Inference).select(1, 0).to(ScalarType.Float32) - target).square().mean();
            loss.backward();
            optimizer.Step(LearningRate);
            optimizer.ZeroGradient();
        }
        // The factors were views of the vector: they become values of their own.
        parameters.Bind();
        foreach (var parameter in parameters.Parameters)
            parameter.Replace(parameter.Value.detach().clone());
    }

    private static Tensor Last(RobertaClassifier model) => model.Encode(TinyModel.Batch(), ForwardContext.Inference).to(ScalarType.Float32);
}
