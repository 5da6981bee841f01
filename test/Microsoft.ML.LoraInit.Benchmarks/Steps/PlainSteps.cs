using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Data.Batching;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>The same steps called straight on TorchSharp: <see cref="PlainRoberta"/>, its AdamW and its clipping.</summary>
internal static class PlainSteps
{
    public const string Variant = "torchsharp";

    /// <param name="benchmark">The rows' benchmark.</param>
    /// <param name="setup">What to measure.</param>
    /// <param name="withPeak">False where the allocator still holds another measurement's memory.</param>
    public static BenchmarkRow Measure(string benchmark, StepSetup setup, bool withPeak)
    {
        using var memory = new PeakMemory(setup.Device);
        using var weights = ModelShape.RandomWeights(setup.Shape, setup.Dropout, setup.Type, setup.Device);
        using var model = new PlainRoberta(weights, setup);
        using var optimizer = optim.AdamW([.. model.Parameters], setup.LearningRate, 0.9, 0.999, 1e-8, 0.01);
        using var losses = zeros(1, ScalarType.Float64, setup.Device);
        var data = setup.Data(weights.Config.VocabularySize);
        var timer = new StepTimer(setup);
        var steps = setup.Rows / setup.Batch;
        for (int step = 0; step < steps; step++)
        {
            using (NewDisposeScope())
            {
                var rows = Enumerable.Range(step * setup.Batch, setup.Batch).ToArray();
                var ids = BatchBuilder.Build(data.Texts, rows, weights.Config.PadTokenId, setup.Device).InputIds;
                var labels = tensor(Array.ConvertAll(rows, r => (long)data.Labels[r]), device: setup.Device);
                optimizer.zero_grad();
                var loss = nn.functional.cross_entropy(model.forward(ids), labels);
                loss.backward();
                nn.utils.clip_grad_norm_(model.Parameters, 1.0);
                optimizer.step();
                using (no_grad())
                    losses.add_(loss.detach());
            }
            timer.StepDone(step + 1);
        }
        var peak = withPeak ? memory.Megabytes : null;
        return EngineSteps.Row(benchmark, Variant, setup, timer, peak, losses.cpu().item<double>() / steps);
    }
}
