using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>One of several classes: cross-entropy over one logit a class. Labels are class indices from 0.</summary>
internal sealed class MulticlassTask : TextTask
{
    /// <param name="classes">Number of classes, of the label's key type rather than of those seen.</param>
    /// <param name="names">The classes' names, or null.</param>
    public MulticlassTask(int classes, IReadOnlyList<string>? names = null)
    {
        if (classes < 2)
            throw new ArgumentOutOfRangeException(nameof(classes), classes, "Classification needs at least two classes.");
        if (names is not null && names.Count != classes)
            throw new ArgumentException($"There are {names.Count} names for {classes} classes.", nameof(names));
        OutputCount = classes;
        ClassNames = names;
    }

    public override int OutputCount { get; }

    public IReadOnlyList<string>? ClassNames { get; }

    public override string Kind => "multiclass";

    /// <summary>What chooses the best epoch.</summary>
    public ClassificationValidationMetric Metric { get; init; }

    /// <summary>The first class that the loss is of; those before it have no part in it, and training rows are of none of them. Metrics are of all.</summary>
    public int FirstLearnt { get; private set; }

    /// <summary>The same task with the loss of the classes from this one on.</summary>
    public MulticlassTask Learning(int first)
    {
        var copy = (MulticlassTask)MemberwiseClone();
        copy.FirstLearnt = first;
        return copy;
    }

    protected override string LossDescription => FirstLearnt == 0 ? base.LossDescription : $"{base.LossDescription}, of which those from {FirstLearnt} on are learnt";

    public override string MetricName => Metric.Name();

    public override bool HigherIsBetter => Metric != ClassificationValidationMetric.LogLoss;

    protected override string LabelRule => $"class indices go from 0 to {OutputCount - 1}";

    public override Tensor Targets(float[] labels, Device device) =>
        tensor(Array.ConvertAll(labels, l => (long)l)).to(device);

    public override Tensor RowLosses(Tensor logits, Tensor targets)
    {
        if (FirstLearnt > 0)
            (logits, targets) = (logits.narrow(1, FirstLearnt, OutputCount - FirstLearnt), targets.Sub(FirstLearnt));
        if (LabelSmoothing == 0)
            return nn.functional.cross_entropy(logits, targets, null, -100, TorchSharp.torch.nn.Reduction.None);
        // As torch's label_smoothing: the target's share is spread evenly over all classes, its own included.
        var logProbabilities = nn.functional.log_softmax(logits, 1);
        var own = logProbabilities.gather(1, targets.unsqueeze(1)).squeeze(1);
        return -own.Mul(1 - LabelSmoothing).Add(logProbabilities.mean([1]).Mul(LabelSmoothing));
    }

    public override EpochMetrics Evaluate(float[][] logits, float[] labels, float[]? weights)
    {
        var actual = Array.ConvertAll(labels, l => (int)l);
        var metrics = new ClassificationMetrics(OutputCount, actual, Array.ConvertAll(logits, Largest), weights);
        double sum = 0, total = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            double weight = weights?[i] ?? 1.0;
            sum += weight * (LogSumExp(logits[i]) - logits[i][actual[i]]);
            total += weight;
        }
        return new() { Accuracy = metrics.Accuracy, F1 = metrics.F1, Matthews = metrics.Matthews, LogLoss = sum / total };
    }

    public override double LossOf(EpochMetrics metrics) => metrics.LogLoss!.Value;

    public override double MetricOf(EpochMetrics metrics) => Metric.Of(metrics);

    public override float[] Scores(float[] logits)
    {
        var log = LogSumExp(logits);
        return Array.ConvertAll(logits, z => (float)Math.Exp(z - log));
    }

    public override float[] PriorLogits(float[] labels, float[]? weights)
    {
        var counts = Enumerable.Repeat(1.0, OutputCount).ToArray();
        for (int i = 0; i < labels.Length; i++)
            counts[(int)labels[i]] += weights?[i] ?? 1.0;
        var total = counts.Sum();
        return Array.ConvertAll(counts, c => (float)Math.Log(c / total));
    }

    public override float[] Distances(float[] logits)
    {
        var largest = logits.Max();
        return Array.ConvertAll(logits, z => z - largest);
    }

    public override IEnumerable<(float[] Distances, int Actual)> Choices(float[] logits, ReadOnlyMemory<float> labels) => [(Distances(logits), (int)labels.Span[0])];

    protected override bool Accepts(float label) => label >= 0 && label < OutputCount && label == MathF.Floor(label);

    /// <summary>The class predicted: the first of the largest logits.</summary>
    public static int Largest(float[] logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best])
                best = i;
        return best;
    }

    private static double LogSumExp(float[] logits)
    {
        double largest = logits.Max();
        return largest + Math.Log(logits.Sum(z => Math.Exp(z - largest)));
    }
}
