using System.Globalization;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>What the model learns: the number of logits, the loss, and how predictions are judged.</summary>
internal abstract class TextTask
{
    /// <summary>Logits a row.</summary>
    public abstract int OutputCount { get; }

    /// <summary>A name for stored files and messages: <c>multiclass</c>, <c>binary</c>, <c>regression</c>, <c>multilabel</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>All that decides the loss, for comparing runs.</summary>
    public string Description => LabelSmoothing == 0 ? LossDescription : string.Create(CultureInfo.InvariantCulture, $"{LossDescription}, label smoothing {LabelSmoothing}");

    /// <summary>The loss of the true labels.</summary>
    protected virtual string LossDescription => $"{Kind} with {OutputCount} outputs";

    /// <summary>The metric that chooses the best epoch.</summary>
    public abstract string MetricName { get; }

    /// <summary>Whether more of <see cref="MetricName"/> is better.</summary>
    public virtual bool HigherIsBetter => true;

    /// <summary>Labels a row: 1, or one an output.</summary>
    public virtual int LabelsPerRow => 1;

    /// <summary>Labels in the type that <see cref="RowLosses"/> takes, [rows] or [rows, labels].</summary>
    public abstract Tensor Targets(float[] labels, Device device);

    /// <summary>logits fp32 [rows, outputs], targets of <see cref="Targets"/> → the loss of each row, fp32 [rows].</summary>
    public abstract Tensor RowLosses(Tensor logits, Tensor targets);

    /// <summary>The (weighted) mean of the rows' losses, a scalar. <paramref name="weights"/> is fp32 [rows], or null for 1 each.</summary>
    public Tensor Loss(Tensor logits, Tensor targets, Tensor? weights)
    {
        var losses = RowLosses(logits, targets);
        return weights is null ? losses.mean() : (losses * weights).sum() / weights.sum().ClampMin(1e-12); // a batch may weigh nothing
    }

    /// <summary>The metrics that apply, from the logits and labels of all rows.</summary>
    public abstract EpochMetrics Evaluate(float[][] logits, float[] labels, float[]? weights);

    /// <summary>The mean loss that the metrics contain: log loss or mean squared error.</summary>
    public abstract double LossOf(EpochMetrics metrics);

    /// <summary>The value of <see cref="MetricName"/>.</summary>
    public abstract double MetricOf(EpochMetrics metrics);

    /// <summary>What users see instead of a row's logits: probabilities by class, the probability of true, or the value.</summary>
    public abstract float[] Scores(float[] logits);

    /// <summary>
    /// The logits whose scores are what the labels alone say: each class's share of the rows (one row more of each, so that no class has
    /// none), each label's, or the mean value. The answer to a text that says nothing.
    /// </summary>
    /// <param name="labels">Of all rows.</param>
    /// <param name="weights">The rows' weights, or null.</param>
    public abstract float[] PriorLogits(float[] labels, float[]? weights);

    /// <summary>Logits counted from where the decision turns: from the largest of several classes' (0 or less), or from 0. Scores stay the same.</summary>
    public virtual float[] Distances(float[] logits) => logits;

    /// <summary>
    /// The choices that a row's probabilities are about, for calibration: the distances of the alternatives' logits from the largest
    /// (0 or less), and which alternative is true. One of several classes is one choice, a label one between true and false. None for
    /// a task without probabilities.
    /// </summary>
    public virtual IEnumerable<(float[] Distances, int Actual)> Choices(float[] logits, ReadOnlyMemory<float> labels) => [];

    /// <summary>The same task with its targets smoothed (see <see cref="LoraTrainerOptions.LabelSmoothing"/>), for training alone.</summary>
    public TextTask Smoothed(double smoothing)
    {
        var copy = (TextTask)MemberwiseClone();
        copy.LabelSmoothing = smoothing;
        return copy;
    }

    /// <summary>Share of each target that is spread over all classes in training; metrics know none.</summary>
    protected double LabelSmoothing { get; private set; }

    /// <summary>Refuses labels that the task cannot learn from.</summary>
    /// <exception cref="ArgumentException">A label is out of range or not a number; the message names the first row.</exception>
    public void Check(TextDataset data, string role)
    {
        if (data.Count == 0)
            throw new ArgumentException($"The {role} data has no rows.", nameof(data));
        if (data.LabelsPerRow != LabelsPerRow || data.Labels.Length != data.Count * LabelsPerRow || (data.Weights is not null && data.Weights.Length != data.Count))
            throw new ArgumentException($"The {role} data has {data.Count} texts, {data.Labels.Length} labels and {data.Weights?.Length ?? data.Count} weights.", nameof(data));
        for (int i = 0; i < data.Count; i++)
        {
            foreach (var label in data.Labels.AsSpan(i * LabelsPerRow, LabelsPerRow))
                if (!Accepts(label))
                    throw new ArgumentException($"Row {i} of the {role} data has the label {label}, but {LabelRule}.", nameof(data));
            if (data.Weights is not null && !(data.Weights[i] >= 0 && float.IsFinite(data.Weights[i])))
                throw new ArgumentException($"Row {i} of the {role} data has the example weight {data.Weights[i]}; weights must be finite and not negative.", nameof(data));
        }
        if (data.Weights is not null && data.Weights.All(w => w == 0))
            throw new ArgumentException($"Every example weight of the {role} data is 0, so there is nothing to learn from or to judge by.", nameof(data));
    }

    /// <summary>Whether one metric value beats another; a number beats NaN.</summary>
    public bool IsBetter(double candidate, double best) =>
        !double.IsNaN(candidate) && (double.IsNaN(best) || (HigherIsBetter ? candidate > best : candidate < best));

    protected abstract string LabelRule { get; }

    protected abstract bool Accepts(float label);
}
