using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Explanation;

/// <summary>What came out, in double precision.</summary>
/// <param name="Scores">The row's logits.</param>
/// <param name="BaselineScores">The baseline's.</param>
/// <param name="PerColumn">For each column of the row its part in each logit.</param>
internal sealed record Attributions(double[] Scores, double[] BaselineScores, double[][] PerColumn);

/// <summary>
/// Attributions along the straight line from a baseline to a row's word embeddings: (x − x′) · Σ wᵢ ∂logit/∂x at x′ + αᵢ (x − x′).
/// Gradients are taken with respect to the embeddings alone; the weights have none.
/// </summary>
internal static class PathAttribution
{
    // Points go through the model together, as many as keep a batch's activations small.
    private const int TokensPerBatch = 2048;

    /// <param name="model">The weights.</param>
    /// <param name="row">One row.</param>
    /// <param name="replaced">For each column, whether the baseline replaces it.</param>
    /// <param name="baselineId">The token that does, or null for zeros.</param>
    /// <param name="points">α in [0, 1] and its weight.</param>
    public static Attributions Compute(MergedModel model, EncodedBatch row, bool[] replaced, int? baselineId, (double Node, double Weight)[] points)
    {
        using var scope = NewDisposeScope();
        using var gradients = enable_grad();
        var words = model.Words(row.InputIds);
        var difference = Difference(model, words, replaced, baselineId);
        var start = words - difference;
        var (scores, baselineScores) = (Logits(model, words, row), Logits(model, start, row));

        var total = zeros([scores.Length, row.Length], ScalarType.Float64);
        foreach (var batch in points.Chunk(Math.Max(1, TokensPerBatch / (int)row.Length)))
            total.Add_(Gradients(model, row, start, difference, batch));
        var values = total.data<double>().ToArray();
        int length = (int)row.Length;
        return new(scores, baselineScores,
            [.. Enumerable.Range(0, length).Select(t => Enumerable.Range(0, scores.Length).Select(o => values[o * length + t]).ToArray())]);
    }

    /// <summary>x − x′, zero where the baseline keeps the token, [1, length, hidden].</summary>
    private static Tensor Difference(MergedModel model, Tensor words, bool[] replaced, int? baselineId)
    {
        var mask = tensor(replaced).to(words.device).view(1, replaced.Length, 1).to(words.dtype);
        return baselineId is int id
            ? (words - model.Words(tensor(new long[] { id }, [1, 1], device: words.device))) * mask
            : words * mask;
    }

    private static double[] Logits(MergedModel model, Tensor words, EncodedBatch row)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var logits = model.Encode(words.Add(model.Positions(row.Length)), row.AttentionMask);
        return logits.to(ScalarType.Float64).cpu().data<double>().ToArray();
    }

    /// <summary>The weighted sum over some points of (x − x′) · ∂logit/∂x, [outputs, length].</summary>
    private static Tensor Gradients(MergedModel model, EncodedBatch row, Tensor start, Tensor difference, (double Node, double Weight)[] points)
    {
        using var scope = NewDisposeScope();
        var device = start.device;
        var nodes = tensor(Array.ConvertAll(points, p => p.Node)).to(device).to(start.dtype).view(points.Length, 1, 1);
        var weights = tensor(Array.ConvertAll(points, p => p.Weight)).to(device).view(points.Length, 1, 1);
        var inputs = start.Add(nodes * difference).detach().requires_grad_();
        var mask = row.AttentionMask?.expand(points.Length, row.Length);
        var logits = model.Encode(inputs.Add(model.Positions(row.Length)), mask);
        int outputs = (int)logits.shape[1];
        var sums = new Tensor[outputs];
        for (int o = 0; o < outputs; o++)
        {
            // The rows of a batch do not meet in the model, so the gradient of their sum is each one's own.
            var gradient = autograd.grad([logits.select(1, o).sum()], [inputs], null, o < outputs - 1)[0];
            sums[o] = (gradient.to(ScalarType.Float64) * difference.to(ScalarType.Float64) * weights).sum([0, 2]);
        }
        return stack(sums, 0).cpu().MoveToOuterDisposeScope();
    }
}
