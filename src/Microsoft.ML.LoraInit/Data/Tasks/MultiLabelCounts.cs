namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>Metrics of predicted labels, from weighted counts of true and false positives and negatives a label.</summary>
internal sealed class MultiLabelCounts(int labels)
{
    private readonly double[] _actual = new double[labels];
    private readonly double[] _predicted = new double[labels];
    private readonly double[] _both = new double[labels];
    private double _exact;
    private double _wrong;

    /// <summary>Sum of the rows' weights.</summary>
    public double Rows { get; private set; }

    /// <summary>Share of rows whose labels are all right.</summary>
    public double SubsetAccuracy => _exact / Rows;

    /// <summary>Share of labels that are wrong.</summary>
    public double HammingLoss => _wrong / (Rows * labels);

    public double MicroPrecision => Ratio(_both.Sum(), _predicted.Sum());

    public double MicroRecall => Ratio(_both.Sum(), _actual.Sum());

    public double MicroF1 => Ratio(2 * _both.Sum(), _actual.Sum() + _predicted.Sum());

    /// <summary>The mean over the labels that occur among labels or predictions; 0 where none does.</summary>
    public double MacroF1 => Enumerable.Range(0, labels).Where(l => _actual[l] + _predicted[l] > 0).Select(F1).DefaultIfEmpty().Average();

    public double Precision(int label) => Ratio(_both[label], _predicted[label]);

    public double Recall(int label) => Ratio(_both[label], _actual[label]);

    public double F1(int label) => Ratio(2 * _both[label], _actual[label] + _predicted[label]);

    public void Add(ReadOnlySpan<bool> actual, ReadOnlySpan<bool> predicted, double weight = 1)
    {
        int wrong = 0;
        for (int l = 0; l < labels; l++)
        {
            _actual[l] += actual[l] ? weight : 0;
            _predicted[l] += predicted[l] ? weight : 0;
            _both[l] += actual[l] && predicted[l] ? weight : 0;
            wrong += actual[l] != predicted[l] ? 1 : 0;
        }
        _wrong += weight * wrong;
        _exact += wrong == 0 ? weight : 0;
        Rows += weight;
    }

    private static double Ratio(double part, double whole) => whole > 0 ? part / whole : 0;
}
