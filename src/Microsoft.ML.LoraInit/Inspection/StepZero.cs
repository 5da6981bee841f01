using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>Passes before the first step: outputs of base and adapted model side by side, gradients of the adapters. Without dropout.</summary>
/// <param name="task">Gives the loss.</param>
/// <param name="probe">The rows.</param>
/// <param name="batchSize">Rows a batch.</param>
/// <param name="step">Called before each batch, with batches done and to do; may throw to cancel.</param>
internal sealed class StepZero(TextTask task, TextDataset probe, int batchSize, Action<string, int, int> step)
{
    // Of the factors' norm: far above fp32's rounding of a gradient, far below where the loss bends otherwise.
    private const double RelativeStep = 1e-3;

    private readonly IReadOnlyList<int[]> _plan = BatchPlanner.ByLength([.. probe.Texts.Select(t => t.Length)], batchSize);

    /// <summary>Compares two models over one base with equal heads.</summary>
    public OutputChange Compare(RobertaClassifier original, RobertaClassifier adapted)
    {
        using var noGrad = no_grad();
        double max = 0, sum = 0, magnitude = 0;
        var changes = new double[original.Layers.Count];
        var norms = new double[original.Layers.Count];
        Visit(original, "Comparing outputs", batch =>
        {
            var before = Pass(original, batch.Inputs);
            var after = Pass(adapted, batch.Inputs);
            var change = (after.Logits - before.Logits).abs();
            max = Math.Max(max, change.max().item<double>());
            sum += change.sum().item<double>();
            magnitude += before.Logits.abs().sum().item<double>();
            for (int i = 0; i < changes.Length; i++)
            {
                changes[i] += Subspaces.Square(after.Hidden[i] - before.Hidden[i]);
                norms[i] += Subspaces.Square(before.Hidden[i]);
            }
        });
        var count = (double)probe.Count * task.OutputCount;
        double[] relative = [.. changes.Zip(norms, (c, n) => Math.Sqrt(c / n))];
        return new() { MaxLogit = max, MeanLogit = sum / count, BaseMeanLogit = magnitude / count, Hidden = relative[^1], HiddenByLayer = relative };
    }

    /// <summary>Squared norms of the gradients of the mean loss, by parameter name; trained factors alone.</summary>
    public IReadOnlyDictionary<string, double> Gradients(RobertaClassifier adapted)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        using var parameters = Adapters(adapted);
        AddGradient(adapted, parameters, "Computing gradients");
        using var noGrad = no_grad();
        var pieces = parameters.Flat.grad!.to(ScalarType.Float64).split([.. parameters.Parameters.Select(p => p.Count)]);
        return parameters.Parameters.Zip(pieces).ToDictionary(p => p.First.Name, p => Subspaces.Square(p.Second), StringComparer.Ordinal);
    }

    /// <summary>
    /// The largest eigenvalue of the Hessian of the mean loss by the adapters' trained factors, from Lanczos steps on products
    /// of the Hessian with vectors, each the central difference of two gradients.
    /// </summary>
    /// <param name="adapted">The model.</param>
    /// <param name="seed">Draws the first vector.</param>
    public double LargestEigenvalue(RobertaClassifier adapted, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var parameters = Adapters(adapted);
        var start = parameters.Flat.detach().clone();
        var step = RelativeStep * Math.Max(1, start.norm().item<float>());
        var lanczos = new Lanczos(v => (GradientAt(v, step) - GradientAt(v, -step)).Div(2 * step));
        var largest = lanczos.Largest(parameters.Count, start.device, seed);
        // The factors were views of the vector that moved: they become what they were.
        using var noGrad = no_grad();
        foreach (var (parameter, piece) in parameters.Parameters.Zip(start.split([.. parameters.Parameters.Select(p => p.Count)])))
            parameter.Replace(piece.view(parameter.Shape).to(parameter.ComputeType).clone());
        return largest;

        Tensor GradientAt(Tensor v, double length)
        {
            using var inner = NewDisposeScope();
            using (no_grad())
            {
                parameters.Flat.copy_(start.Add(v.to(ScalarType.Float32), length));
                parameters.Gradient().zero_();
            }
            AddGradient(adapted, parameters, "Products with the Hessian");
            using var noGrad = no_grad();
            return parameters.Gradient().to(ScalarType.Float64, true).MoveToOuterDisposeScope();
        }
    }

    private static TrainableParameters Adapters(RobertaClassifier adapted) =>
        new(adapted.Linears.SelectMany(l => l.Adapter?.Parameters ?? []));

    private void AddGradient(RobertaClassifier adapted, TrainableParameters parameters, string message)
    {
        using var grad = enable_grad();
        var total = BatchQueue.WeightOf(probe, [.. Enumerable.Range(0, probe.Count)]);
        Visit(adapted, message, batch =>
        {
            parameters.Bind();
            task.Loss(adapted.forward(batch.Inputs, ForwardContext.Inference), batch.Targets, batch.Weights).Mul(batch.WeightSum / total).backward();
        });
    }

    private void Visit(RobertaClassifier model, string message, Action<PreparedBatch> visit)
    {
        using var queue = new BatchQueue(probe, _plan, task, model.Config.PadTokenId, model.Device);
        for (int i = 0; i < _plan.Count; i++)
        {
            step(message, i, _plan.Count);
            using var scope = NewDisposeScope();
            using var batch = queue.Take();
            visit(batch);
        }
    }

    /// <summary>Logits [rows, outputs] and each layer's hidden states [tokens, hidden], fp64.</summary>
    private static (Tensor Logits, Tensor[] Hidden) Pass(RobertaClassifier model, EncodedBatch batch)
    {
        var tokens = batch.AttentionMask?.reshape(-1).nonzero().squeeze(1);
        var hidden = new Tensor[model.Layers.Count];
        var logits = model.forward(batch, new ForwardContext
        {
            OnHiddenState = (index, x) =>
            {
                if (index == 0)
                    return;
                var rows = x.reshape(-1, x.shape[^1]);
                hidden[index - 1] = (tokens is null ? rows : rows.index_select(0, tokens)).to(ScalarType.Float64, true);
            },
        });
        return (logits.to(ScalarType.Float64), hidden);
    }
}
