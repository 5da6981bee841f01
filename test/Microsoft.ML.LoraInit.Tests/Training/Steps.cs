using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>A few optimiser steps on the tiny model's batch.</summary>
internal static class Steps
{
    /// <returns>The trained values by name, owned by the caller.</returns>
    public static Dictionary<string, Tensor> Run(RobertaClassifier model, int steps, int? dropoutSeed = null, double learningRate = 1e-2)
    {
        using var parameters = new TrainableParameters(model.Parameters);
        using var optimizer = new FlatAdamW(parameters, new AdamWSettings());
        for (int i = 0; i < steps; i++)
        {
            using var scope = NewDisposeScope();
            using var dropout = dropoutSeed is int seed ? KernelDropout.FromSeed(SeededRandom.Hash(seed, $"step/{i}"), CPU) : null;
            parameters.Bind();
            var logits = model.forward(TinyModel.Batch(), new ForwardContext { Dropout = dropout });
            optimizer.ZeroGradient();
            nn.functional.cross_entropy(logits, TinyModel.Labels()).backward();
            GradientClipping.Apply(parameters, 1.0);
            optimizer.Step(learningRate);
        }
        var trained = parameters.Snapshot();
        // The views that the model computed with are gone: each parameter gets a tensor of its own again.
        foreach (var parameter in parameters.Parameters)
            using (NewDisposeScope())
                parameter.Replace(trained[parameter.Name].to(parameter.ComputeType).clone());
        return trained;
    }

    public static void Free(Dictionary<string, Tensor> tensors)
    {
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
    }
}
