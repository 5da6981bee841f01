using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>A number: one output, squared error.</summary>
internal sealed class RegressionTask : TextTask
{
    public override int OutputCount => 1;

    public override string Kind => "regression";

    /// <summary>What chooses the best epoch.</summary>
    public RegressionValidationMetric Metric { get; init; }

    public override string MetricName => Metric.Name();

    public override bool HigherIsBetter => Metric != RegressionValidationMetric.MeanSquaredError;

    protected override string LabelRule => "values must be finite numbers";

    public override Tensor Targets(float[] labels, Device device) => tensor(labels).to(device);

    public override Tensor RowLosses(Tensor logits, Tensor targets) => (logits.squeeze(1) - targets).Square();

    public override EpochMetrics Evaluate(float[][] logits, float[] labels, float[]? weights)
    {
        var predicted = Array.ConvertAll(logits, z => (double)z[0]);
        var actual = Array.ConvertAll(labels, l => (double)l);
        return new()
        {
            Pearson = RegressionMetrics.Pearson(predicted, actual, weights),
            Spearman = RegressionMetrics.Spearman(predicted, actual, weights),
            Mse = RegressionMetrics.MeanSquaredError(predicted, actual, weights),
        };
    }

    public override double LossOf(EpochMetrics metrics) => metrics.Mse!.Value;

    public override double MetricOf(EpochMetrics metrics) => Metric.Of(metrics);

    public override float[] Scores(float[] logits) => [logits[0]];

    public override float[] PriorLogits(float[] labels, float[]? weights)
    {
        double sum = 0, total = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            double weight = weights?[i] ?? 1.0;
            sum += weight * labels[i];
            total += weight;
        }
        return [(float)(sum / total)];
    }

    protected override bool Accepts(float label) => float.IsFinite(label);
}
