namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>Counts probabilities and what turned out, for <see cref="CalibrationMetrics"/>.</summary>
internal sealed class CalibrationCounts(int bins = CalibrationCounts.DefaultBins)
{
    public const int DefaultBins = 15;

    private readonly int[] _counts = new int[bins];
    private readonly double[] _weights = new double[bins];
    private readonly double[] _probabilities = new double[bins];
    private readonly double[] _hits = new double[bins];
    private readonly double[] _variances = new double[bins];
    private double _squares;
    private double _total;

    public bool IsEmpty => _total == 0;

    /// <summary>A row of one of several classes.</summary>
    public void AddClass(ReadOnlySpan<float> probabilities, int actual, double weight = 1)
    {
        int predicted = 0;
        double squares = 0;
        for (int c = 0; c < probabilities.Length; c++)
        {
            predicted = probabilities[c] > probabilities[predicted] ? c : predicted;
            var distance = probabilities[c] - (c == actual ? 1.0 : 0.0);
            squares += distance * distance;
        }
        Add(probabilities[predicted], predicted == actual, squares, weight);
    }

    /// <summary>A row of yes or no, or one label of a row.</summary>
    public void AddAnswer(double probability, bool actual, double weight = 1)
    {
        var distance = probability - (actual ? 1 : 0);
        Add(probability, actual, distance * distance, weight);
    }

    /// <summary>A row's scores as a task gives them, and its labels.</summary>
    public void Add(TextTask task, float[] scores, ReadOnlySpan<float> labels, double weight)
    {
        if (task is MulticlassTask)
            AddClass(scores, (int)labels[0], weight);
        else
            for (int l = 0; l < labels.Length; l++)
                AddAnswer(scores[l], labels[l] == 1, weight);
    }

    public CalibrationMetrics ToMetrics() => new(
        Enumerable.Range(0, bins).Sum(b => Math.Abs(_probabilities[b] - _hits[b])) / _total,
        // The mean of a normal variable's absolute value is √(2 / π) of its deviation.
        _variances.Sum(v => Math.Sqrt(2 / Math.PI * v)) / _total,
        _squares / _total,
        [.. Enumerable.Range(0, bins).Select(b => new CalibrationBin((double)b / bins, (b + 1.0) / bins, _counts[b], _probabilities[b] / _weights[b], _hits[b] / _weights[b]))]);

    private void Add(double probability, bool hit, double squares, double weight)
    {
        int bin = Math.Clamp((int)(probability * bins), 0, bins - 1);
        _counts[bin]++;
        _weights[bin] += weight;
        _probabilities[bin] += weight * probability;
        _hits[bin] += hit ? weight : 0;
        _variances[bin] += weight * weight * probability * (1 - probability);
        _squares += weight * squares;
        _total += weight;
    }
}
