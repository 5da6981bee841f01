namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>Metrics of predicted classes, from the weighted confusion matrix.</summary>
internal sealed class ClassificationMetrics
{
    private readonly double[,] _confusion;
    private readonly double[] _actual;
    private readonly double[] _predicted;
    private readonly double _total;

    /// <param name="classes">Number of classes.</param>
    /// <param name="actual">True class a row.</param>
    /// <param name="predicted">Predicted class a row.</param>
    /// <param name="weights">Example weights; null for 1 each.</param>
    public ClassificationMetrics(int classes, IReadOnlyList<int> actual, IReadOnlyList<int> predicted, float[]? weights)
    {
        _confusion = new double[classes, classes];
        _actual = new double[classes];
        _predicted = new double[classes];
        for (int i = 0; i < actual.Count; i++)
        {
            double weight = weights?[i] ?? 1.0;
            _confusion[actual[i], predicted[i]] += weight;
            _actual[actual[i]] += weight;
            _predicted[predicted[i]] += weight;
            _total += weight;
        }
    }

    public double Accuracy => Correct / _total;

    private double Correct => Enumerable.Range(0, _actual.Length).Sum(c => _confusion[c, c]);

    /// <summary>F1 of class 1 where there are two classes, else the mean over the classes that occur.</summary>
    public double F1 => _actual.Length == 2
        ? OfClass(1)
        : Enumerable.Range(0, _actual.Length).Where(c => _actual[c] + _predicted[c] > 0).Average(OfClass);

    /// <summary>R_K (Gorodkin, Computational Biology and Chemistry 28, 2004); with two classes the usual coefficient.</summary>
    public double Matthews
    {
        get
        {
            double both = 0, actual = 0, predicted = 0;
            for (int c = 0; c < _actual.Length; c++)
            {
                both += _actual[c] * _predicted[c];
                actual += _actual[c] * _actual[c];
                predicted += _predicted[c] * _predicted[c];
            }
            var scale = (_total * _total - actual) * (_total * _total - predicted);
            return scale > 0 ? (Correct * _total - both) / Math.Sqrt(scale) : 0;
        }
    }

    private double OfClass(int c) =>
        _actual[c] + _predicted[c] > 0 ? 2 * _confusion[c, c] / (_actual[c] + _predicted[c]) : 0;
}
