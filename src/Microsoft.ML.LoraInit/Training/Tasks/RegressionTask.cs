using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Tasks;

/// <summary>A number: one output, squared error.</summary>
internal sealed class RegressionTask : TextTask
{
    public override int OutputCount => 1;

    public override string Kind => "regression";

    public override string MetricName => "pearson";

    protected override string LabelRule => "values must be finite numbers";

    public override Tensor Targets(float[] labels, Device device) => tensor(labels).to(device);

    public override Tensor RowLosses(Tensor logits, Tensor targets) => (logits.squeeze(1) - targets).square();

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

    public override double MetricOf(EpochMetrics metrics) => metrics.Pearson!.Value;

    public override float[] Scores(float[] logits) => [logits[0]];

    protected override bool Accepts(float label) => float.IsFinite(label);
}
