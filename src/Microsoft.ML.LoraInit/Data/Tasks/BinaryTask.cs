using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>True or false: one logit, binary cross-entropy. Labels are 0 and 1; a logit above 0 predicts true.</summary>
internal sealed class BinaryTask : TextTask
{
    public override int OutputCount => 1;

    public override string Kind => "binary";

    /// <summary>What chooses the best epoch.</summary>
    public ClassificationValidationMetric Metric { get; init; }

    public override string MetricName => Metric.Name();

    public override bool HigherIsBetter => Metric != ClassificationValidationMetric.LogLoss;

    protected override string LabelRule => "binary labels are 0 or 1";

    public override Tensor Targets(float[] labels, Device device) => tensor(labels).to(device);

    public override Tensor RowLosses(Tensor logits, Tensor targets) =>
        nn.functional.binary_cross_entropy_with_logits(logits.squeeze(1), Softened(targets, LabelSmoothing), null, TorchSharp.torch.nn.Reduction.None);

    public override EpochMetrics Evaluate(float[][] logits, float[] labels, float[]? weights)
    {
        var actual = Array.ConvertAll(labels, l => (int)l);
        var metrics = new ClassificationMetrics(2, actual, Array.ConvertAll(logits, z => z[0] > 0 ? 1 : 0), weights);
        double sum = 0, total = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            double weight = weights?[i] ?? 1.0;
            sum += weight * Softplus(actual[i] == 1 ? -logits[i][0] : logits[i][0]);
            total += weight;
        }
        return new() { Accuracy = metrics.Accuracy, F1 = metrics.F1, Matthews = metrics.Matthews, LogLoss = sum / total };
    }

    public override double LossOf(EpochMetrics metrics) => metrics.LogLoss!.Value;

    public override double MetricOf(EpochMetrics metrics) => Metric.Of(metrics);

    /// <summary>The probability of true, alone.</summary>
    public override float[] Scores(float[] logits) => [(float)(1.0 / (1.0 + Math.Exp(-(double)logits[0])))];

    protected override bool Accepts(float label) => label is 0 or 1;

    public override float[] PriorLogits(float[] labels, float[]? weights) => [PriorLogit(labels, 1, 0, weights)];

    public override IEnumerable<(float[] Distances, int Actual)> Choices(float[] logits, ReadOnlyMemory<float> labels) => [Choice(logits[0], labels.Span[0])];

    /// <summary>Between true, whose logit is z, and false, whose logit is 0.</summary>
    public static (float[] Distances, int Actual) Choice(float logit, float label) => ([Math.Min(logit, 0), Math.Min(-logit, 0)], label == 1 ? 0 : 1);

    /// <summary>Targets of 0 and 1 moved towards one half.</summary>
    public static Tensor Softened(Tensor targets, double smoothing) => smoothing == 0 ? targets : targets.Mul(1 - smoothing).Add(smoothing / 2);

    /// <summary>ln of the odds of a label among rows, one row more of either.</summary>
    /// <param name="labels">0 and 1.</param>
    /// <param name="stride">Labels a row.</param>
    /// <param name="label">Which of them.</param>
    /// <param name="weights">The rows' weights, or null.</param>
    public static float PriorLogit(float[] labels, int stride, int label, float[]? weights)
    {
        double yes = 1, no = 1;
        for (int row = 0; row < labels.Length / stride; row++)
        {
            double weight = weights?[row] ?? 1.0, value = labels[(row * stride) + label];
            yes += weight * value;
            no += weight * (1 - value);
        }
        return (float)Math.Log(yes / no);
    }

    /// <summary>ln(1 + eᶻ), without overflow.</summary>
    public static double Softplus(double z) => Math.Max(z, 0) + Math.Log(1 + Math.Exp(-Math.Abs(z)));
}
