using System.Globalization;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>Any number of several labels: one logit a label, the mean of their binary cross-entropies. Labels are 0 and 1.</summary>
internal sealed class MultiLabelTask : TextTask
{
    private readonly float[]? _whenTrue;
    private readonly float[]? _whenFalse;

    /// <param name="labels">Number of labels.</param>
    /// <param name="names">The labels' names, or null.</param>
    /// <param name="threshold">The probability from which on a label is predicted.</param>
    public MultiLabelTask(int labels, IReadOnlyList<string>? names = null, double threshold = 0.5)
        : this(labels, names, threshold, null, null)
    {
    }

    private MultiLabelTask(int labels, IReadOnlyList<string>? names, double threshold, float[]? whenTrue, float[]? whenFalse)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(labels, 1);
        if (names is not null && names.Count != labels)
            throw new ArgumentException($"There are {names.Count} names for {labels} labels.", nameof(names));
        (OutputCount, LabelNames, Threshold, _whenTrue, _whenFalse) = (labels, names, threshold, whenTrue, whenFalse);
    }

    public override int OutputCount { get; }

    public override int LabelsPerRow => OutputCount;

    public IReadOnlyList<string>? LabelNames { get; }

    public double Threshold { get; }

    public override string Kind => "multilabel";

    public override string MetricName => "micro F1";

    protected override string LossDescription => string.Create(CultureInfo.InvariantCulture,
        $"{Kind} with {OutputCount} outputs from {Threshold} on{(_whenTrue is null ? "" : $", weights {string.Join(' ', _whenTrue)} and {string.Join(' ', _whenFalse!)}")}");

    protected override string LabelRule => "each label is 0 or 1";

    /// <summary>The same task with a weight on each label's loss where it is true, and where it is false; for training alone.</summary>
    public MultiLabelTask Weighted(float[] whenTrue, float[] whenFalse) => new(OutputCount, LabelNames, Threshold, whenTrue, whenFalse);

    public override Tensor Targets(float[] labels, Device device) =>
        tensor(labels, [labels.Length / OutputCount, OutputCount]).to(device);

    public override Tensor RowLosses(Tensor logits, Tensor targets)
    {
        var losses = nn.functional.binary_cross_entropy_with_logits(logits, BinaryTask.Softened(targets, LabelSmoothing), null, TorchSharp.torch.nn.Reduction.None);
        if (_whenTrue is null)
            return losses.mean([1]);
        var whenFalse = tensor(_whenFalse!).to(logits.device);
        var weights = (targets * (tensor(_whenTrue).to(logits.device) - whenFalse)).Add(whenFalse);
        return (losses * weights).mean([1]);
    }

    public override EpochMetrics Evaluate(float[][] logits, float[] labels, float[]? weights)
    {
        var counts = new MultiLabelCounts(OutputCount);
        double sum = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            var actual = Array.ConvertAll(labels[(i * OutputCount)..((i + 1) * OutputCount)], l => l == 1);
            double weight = weights?[i] ?? 1.0;
            counts.Add(actual, Array.ConvertAll(logits[i], IsPredicted), weight);
            sum += weight * logits[i].Select((z, label) => BinaryTask.Softplus(actual[label] ? -z : z)).Average();
        }
        return new() { Accuracy = counts.SubsetAccuracy, F1 = counts.MicroF1, MacroF1 = counts.MacroF1, LogLoss = sum / counts.Rows };
    }

    public override double LossOf(EpochMetrics metrics) => metrics.LogLoss!.Value;

    public override double MetricOf(EpochMetrics metrics) => metrics.F1!.Value;

    /// <summary>The probability of each label.</summary>
    public override float[] Scores(float[] logits) => Array.ConvertAll(logits, Probability);

    public override float[] PriorLogits(float[] labels, float[]? weights) =>
        [.. Enumerable.Range(0, OutputCount).Select(l => BinaryTask.PriorLogit(labels, OutputCount, l, weights))];

    public override IEnumerable<(float[] Distances, int Actual)> Choices(float[] logits, ReadOnlyMemory<float> labels) =>
        logits.Select((z, label) => BinaryTask.Choice(z, labels.Span[label]));

    /// <summary>Whether a label of this logit is predicted. Decided on the probability as it is written without a temperature, so that the columns agree.</summary>
    public bool IsPredicted(float logit) => Probability(logit) >= Threshold;

    protected override bool Accepts(float label) => label is 0 or 1;

    private static float Probability(float logit) => (float)(1.0 / (1.0 + Math.Exp(-(double)logit)));
}
