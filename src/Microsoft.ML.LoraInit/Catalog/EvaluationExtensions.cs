using Microsoft.ML.Data;
using Microsoft.ML.LoraInit;

namespace Microsoft.ML;

/// <summary>Metrics that the literature reports and ML.NET's evaluators leave out.</summary>
public static class EvaluationExtensions
{
    /// <summary>
    /// Matthews' correlation of labels and predictions, in [−1, 1]; for more than two classes its generalisation R_K
    /// (Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006). 0 where only one class is present or predicted.
    /// </summary>
    /// <param name="confusion">Counts by actual (row) and predicted (column) class.</param>
    /// <exception cref="ArgumentNullException"><paramref name="confusion"/> is null.</exception>
    public static double MatthewsCorrelation(this ConfusionMatrix confusion)
    {
        ArgumentNullException.ThrowIfNull(confusion);
        int classes = confusion.Counts.Count;
        var actual = new double[classes];
        var predicted = new double[classes];
        double total = 0, correct = 0;
        for (int row = 0; row < classes; row++)
        {
            for (int column = 0; column < classes; column++)
            {
                var count = confusion.Counts[row][column];
                actual[row] += count;
                predicted[column] += count;
                total += count;
                if (row == column)
                    correct += count;
            }
        }
        double covariance = correct * total - Dot(actual, predicted);
        double variances = (total * total - Dot(predicted, predicted)) * (total * total - Dot(actual, actual));
        return variances > 0 ? covariance / Math.Sqrt(variances) : 0;
    }

    /// <summary>Pearson's and Spearman's correlation of a label and a score column, both of type Single.</summary>
    /// <param name="catalog">The regression catalog.</param>
    /// <param name="data">Scored rows; at least two.</param>
    /// <param name="labelColumnName">The label column.</param>
    /// <param name="scoreColumnName">The score column.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A column is missing or not of type Single, a value is NaN or infinite, or there are fewer than two rows.</exception>
    public static CorrelationMetrics EvaluateCorrelation(
        this RegressionCatalog catalog, IDataView data, string labelColumnName = "Label", string scoreColumnName = "Score")
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        var (labels, scores) = ReadPairs(data, Column(data, labelColumnName), Column(data, scoreColumnName));
        if (labels.Count < 2)
            throw new ArgumentException($"A correlation needs at least two rows; the data has {labels.Count}.", nameof(data));
        return new(Pearson(labels, scores), Pearson(Ranks(labels), Ranks(scores)));
    }

    private static DataViewSchema.Column Column(IDataView data, string name)
    {
        if (data.Schema.GetColumnOrNull(name) is not { } column)
            throw new ArgumentException($"There is no column '{name}'; the data has {string.Join(", ", data.Schema.Select(c => c.Name))}.", nameof(data));
        return column.Type == NumberDataViewType.Single
            ? column
            : throw new ArgumentException($"The column '{name}' is of type {column.Type}; a correlation needs Single.", nameof(data));
    }

    private static (List<double> Labels, List<double> Scores) ReadPairs(IDataView data, DataViewSchema.Column label, DataViewSchema.Column score)
    {
        List<double> labels = [], scores = [];
        using var cursor = data.GetRowCursor([label, score]);
        var labelGetter = cursor.GetGetter<float>(label);
        var scoreGetter = cursor.GetGetter<float>(score);
        float value = 0;
        while (cursor.MoveNext())
        {
            labelGetter(ref value);
            labels.Add(Finite(value, label.Name, cursor.Position));
            scoreGetter(ref value);
            scores.Add(Finite(value, score.Name, cursor.Position));
        }
        return (labels, scores);
    }

    private static double Finite(float value, string column, long row) => float.IsFinite(value)
        ? value
        : throw new ArgumentException($"The column '{column}' holds {value} in row {row + 1}; a correlation needs finite numbers.");

    private static double Pearson(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        double meanX = x.Average(), meanY = y.Average(), covariance = 0, varianceX = 0, varianceY = 0;
        for (int i = 0; i < x.Count; i++)
        {
            double dx = x[i] - meanX, dy = y[i] - meanY;
            covariance += dx * dy;
            varianceX += dx * dx;
            varianceY += dy * dy;
        }
        return covariance / Math.Sqrt(varianceX * varianceY);
    }

    /// <summary>Ranks from 1; equal values share the mean of the ranks they take up.</summary>
    private static double[] Ranks(IReadOnlyList<double> values)
    {
        int[] order = [.. Enumerable.Range(0, values.Count).OrderBy(i => values[i])];
        var ranks = new double[values.Count];
        for (int start = 0, end; start < order.Length; start = end)
        {
            end = start + 1;
            while (end < order.Length && values[order[end]] == values[order[start]])
                end++;
            for (int i = start; i < end; i++)
                ranks[order[i]] = (start + 1 + end) / 2.0;
        }
        return ranks;
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
