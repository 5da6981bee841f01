using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// A short training run of plain LoRA at another rank. The head trains along and goes back to what it was; adapters are
/// taken off again.
/// </summary>
internal sealed class Preheating(RobertaClassifier model, InitializationContext context, TextTask task, TextDataset data)
{
    private const double MaxGradientNorm = 1.0;

    public IReadOnlyDictionary<string, (Tensor A, Tensor B)> Run(int rank, double alpha, int steps, double learningRate, int batchSize, Func<int, IReadOnlyList<int[]>> plan)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var linears = model.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        var head = model.Parameters.Where(p => p.Trained).ToArray();
        Tensor[] before;
        using (no_grad())
            before = Array.ConvertAll(head, p => p.Value.detach().clone().DetachFromDisposeScope());
        try
        {
            foreach (var target in context.Targets)
                linears[target.ModuleName].Adapter = Fresh(target with { Rank = rank, Alpha = alpha, RankStabilized = false });
            return Train(steps, learningRate, plan, linears);
        }
        finally
        {
            for (int i = 0; i < head.Length; i++)
                head[i].Replace(before[i]);
            foreach (var target in context.Targets)
            {
                var linear = linears[target.ModuleName];
                foreach (var parameter in linear.Adapter?.Parameters ?? [])
                    parameter.Release();
                linear.Adapter = null;
            }
        }
    }

    private Dictionary<string, (Tensor A, Tensor B)> Train(int steps, double learningRate, Func<int, IReadOnlyList<int[]>> plan, Dictionary<string, Linear> linears)
    {
        using var grad = enable_grad();
        using var parameters = new TrainableParameters(model.Parameters);
        using var optimizer = new FlatAdamW(parameters, new AdamWSettings { WeightDecay = 0 });
        int done = 0;
        for (int epoch = 0; done < steps; epoch++)
        {
            var batches = plan(epoch).Take(steps - done).ToArray();
            using var queue = new BatchQueue(data, batches, task, model.Config.PadTokenId, model.Device);
            for (int i = 0; i < batches.Length; i++, done++)
            {
                context.Report("Preheating the adapters", done, steps);
                using var scope = NewDisposeScope();
                using var batch = queue.Take();
                using var dropout = KernelDropout.FromSeed(SeededRandom.Hash(context.Seed, $"preheat dropout/{done}"), model.Device);
                optimizer.ZeroGradient();
                parameters.Bind();
                task.Loss(model.forward(batch.Inputs, new ForwardContext { Dropout = dropout }), batch.Targets, batch.Weights).backward();
                GradientClipping.Apply(parameters, MaxGradientNorm);
                optimizer.Step(learningRate);
            }
        }
        using var noGrad = no_grad();
        parameters.Bind();
        return context.Targets.ToDictionary(t => t.ModuleName, t =>
        {
            var adapter = (LoraAdapter)linears[t.ModuleName].Adapter!;
            return (adapter.A.Value.detach().clone(), adapter.B.Value.detach().clone());
        }, StringComparer.Ordinal);
    }

    private LoraAdapter Fresh(AdapterTarget target)
    {
        if (target.Rank < 1 || target.Rank > Math.Min(target.InFeatures, target.OutFeatures))
            throw new ArgumentException($"The preheating rank {target.Rank} does not fit '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}]: it must be from 1 to {Math.Min(target.InFeatures, target.OutFeatures)}.");
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var generator = context.Random(target, "preheat");
        var bound = 1.0 / Math.Sqrt(target.InFeatures);
        var a = empty(target.Rank, target.InFeatures).uniform_(-bound, bound, generator).to(model.Device);
        return new LoraAdapter(target, a, zeros(target.OutFeatures, target.Rank, device: model.Device));
    }
}
