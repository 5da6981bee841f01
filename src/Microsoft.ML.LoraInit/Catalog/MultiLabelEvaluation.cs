using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML;

/// <summary>Metrics of multi-label predictions, beside those of ML.NET's own catalogs.</summary>
public static class MultiLabelEvaluation
{
    /// <summary>Judges the rows that a multi-label model scored.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification</c>.</param>
    /// <param name="data">Scored rows with their true labels.</param>
    /// <param name="labelColumnName">The true labels: a vector of Boolean, or of Single with 0 and 1.</param>
    /// <param name="scoreColumnName">The scores, a vector of Single: logits or probabilities.</param>
    /// <param name="predictedLabelColumnName">The predicted labels, a vector of Boolean.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">A column is missing or of another type or size, or there are no rows.</exception>
    /// <exception cref="InvalidDataException">A label is neither 0 nor 1, or a score is NaN.</exception>
    public static MultiLabelClassificationMetrics EvaluateMultiLabel(
        this MulticlassClassificationCatalog catalog,
        IDataView data,
        string labelColumnName = "Label",
        string scoreColumnName = "Score",
        string predictedLabelColumnName = "PredictedLabel")
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        var label = Column(data, labelColumnName, "Boolean or Single", t => t is BooleanDataViewType || t == NumberDataViewType.Single);
        var score = Column(data, scoreColumnName, "Single", t => t == NumberDataViewType.Single);
        var predicted = Column(data, predictedLabelColumnName, "Boolean", t => t is BooleanDataViewType);
        int labels = Size(label);
        if (Size(score) != labels || Size(predicted) != labels)
            throw new ArgumentException($"The columns '{label.Name}', '{score.Name}' and '{predicted.Name}' have {labels}, {Size(score)} and {Size(predicted)} slots: they must be of one model.", nameof(data));

        var names = LabelVector.Names(label) ?? LabelVector.Names(score) ?? [.. Enumerable.Range(0, labels).Select(l => l.ToString(CultureInfo.InvariantCulture))];
        return Evaluate(data, label, score, predicted, names);
    }

    private static MultiLabelClassificationMetrics Evaluate(
        IDataView data, DataViewSchema.Column label, DataViewSchema.Column score, DataViewSchema.Column predicted, IReadOnlyList<string> names)
    {
        var counts = new MultiLabelCounts(names.Count);
        var ranked = names.Select(_ => new List<(float Score, bool Actual)>()).ToArray();
        using (var cursor = data.GetRowCursor([label, score, predicted]))
        {
            var (readLabels, readPredicted) = (LabelVector.Reader(cursor, label), LabelVector.Reader(cursor, predicted));
            var readScores = cursor.GetGetter<VBuffer<float>>(score);
            List<float> labels = [], predictions = [];
            VBuffer<float> scores = default;
            while (cursor.MoveNext())
            {
                labels.Clear();
                predictions.Clear();
                readLabels(cursor.Position + 1, labels);
                readPredicted(cursor.Position + 1, predictions);
                readScores(ref scores);
                bool[] actual = [.. labels.Select(l => l == 1)];
                counts.Add(actual, [.. predictions.Select(p => p == 1)]);
                int slot = 0;
                foreach (var value in scores.DenseValues())
                {
                    if (float.IsNaN(value))
                        throw new InvalidDataException($"Row {cursor.Position + 1} has no score: slot {slot} of the column '{score.Name}' is NaN.");
                    ranked[slot].Add((value, actual[slot++]));
                }
            }
        }
        if (counts.Rows == 0)
            throw new ArgumentException("There are no rows to evaluate.", nameof(data));
        return new(counts, [.. names.Select((name, l) => new LabelMetrics(
            name, ranked[l].Count(r => r.Actual), counts.Precision(l), counts.Recall(l), counts.F1(l), AveragePrecision(ranked[l]), AreaUnderRocCurve(ranked[l])))]);
    }

    private static double AveragePrecision(List<(float Score, bool Actual)> rows)
    {
        double positives = rows.Count(r => r.Actual), seen = 0, found = 0, sum = 0;
        foreach (var level in rows.GroupBy(r => r.Score).OrderByDescending(g => g.Key))
        {
            int hits = level.Count(r => r.Actual);
            seen += level.Count();
            found += hits;
            sum += hits * found / seen;
        }
        return positives > 0 ? sum / positives : double.NaN;
    }

    private static double AreaUnderRocCurve(List<(float Score, bool Actual)> rows)
    {
        double positives = rows.Count(r => r.Actual), negatives = rows.Count - positives, above = 0, below = 0;
        foreach (var level in rows.GroupBy(r => r.Score).OrderBy(g => g.Key))
        {
            int hits = level.Count(r => r.Actual), misses = level.Count() - hits;
            above += hits * (below + misses / 2.0);
            below += misses;
        }
        return positives > 0 && negatives > 0 ? above / (positives * negatives) : double.NaN;
    }

    private static DataViewSchema.Column Column(IDataView data, string name, string items, Func<DataViewType, bool> fits)
    {
        if (data.Schema.GetColumnOrNull(name) is not { } column)
            throw new ArgumentException($"There is no column '{name}'; the data has {string.Join(", ", data.Schema.Select(c => c.Name))}.", nameof(data));
        return column.Type is VectorDataViewType { IsKnownSize: true } vector && fits(vector.ItemType)
            ? column
            : throw new ArgumentException($"The column '{name}' is of type {column.Type}; expected is a vector of {items} of a known size.", nameof(data));
    }

    private static int Size(DataViewSchema.Column column) => ((VectorDataViewType)column.Type).Size;
}
