using Microsoft.ML.Data;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML;

/// <summary>How far predicted probabilities can be believed, beside the metrics of ML.NET's own catalogs.</summary>
public static class CalibrationEvaluation
{
    /// <summary>Judges the probabilities of a model that chooses one of several classes.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification</c>.</param>
    /// <param name="data">Scored rows with their true labels.</param>
    /// <param name="labelColumnName">The true class, a key.</param>
    /// <param name="scoreColumnName">The classes' probabilities, a vector of Single.</param>
    /// <param name="bins">Ranges of the probability.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type or size, a value is no probability, or there are no rows.</exception>
    public static CalibrationMetrics EvaluateCalibration(
        this MulticlassClassificationCatalog catalog, IDataView data, string labelColumnName = "Label", string scoreColumnName = "Score", int bins = CalibrationCounts.DefaultBins)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        var label = Column(data, labelColumnName, "a key", t => t is KeyDataViewType);
        var score = Column(data, scoreColumnName, "a vector of Single with a slot for each class", t =>
            t is VectorDataViewType { IsKnownSize: true } v && v.ItemType == NumberDataViewType.Single && (ulong)v.Size == ((KeyDataViewType)label.Type).Count);
        return Count(data, bins, [label, score], (cursor, counts) =>
        {
            var labels = TextRow.LabelReader(cursor, labelColumnName, LabelKind.Key);
            var scores = cursor.GetGetter<VBuffer<float>>(score);
            var row = new List<float>();
            VBuffer<float> values = default;
            return () =>
            {
                row.Clear();
                labels(cursor.Position + 1, row);
                scores(ref values);
                counts.AddClass(Probabilities([.. values.DenseValues()], score.Name, cursor.Position), (int)row[0]);
            };
        });
    }

    /// <summary>Judges the probabilities of a model that answers yes or no.</summary>
    /// <param name="catalog"><c>mlContext.BinaryClassification</c>.</param>
    /// <param name="data">Scored rows with their true labels.</param>
    /// <param name="labelColumnName">The true answer, Boolean.</param>
    /// <param name="probabilityColumnName">The probability of true, Single.</param>
    /// <param name="bins">Ranges of the probability.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type, a value is no probability, or there are no rows.</exception>
    public static CalibrationMetrics EvaluateCalibration(
        this BinaryClassificationCatalog catalog, IDataView data, string labelColumnName = "Label", string probabilityColumnName = "Probability", int bins = CalibrationCounts.DefaultBins)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        var label = Column(data, labelColumnName, "Boolean", t => t is BooleanDataViewType);
        var probability = Column(data, probabilityColumnName, "Single", t => t == NumberDataViewType.Single);
        return Count(data, bins, [label, probability], (cursor, counts) =>
        {
            var (labels, probabilities) = (cursor.GetGetter<bool>(label), cursor.GetGetter<float>(probability));
            bool actual = false;
            float value = 0;
            return () =>
            {
                labels(ref actual);
                probabilities(ref value);
                counts.AddAnswer(Probabilities([value], probability.Name, cursor.Position)[0], actual);
            };
        });
    }

    /// <summary>Judges the probabilities of a model that gives a row any of several labels: each label of each row counts by itself.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification</c>.</param>
    /// <param name="data">Scored rows with their true labels.</param>
    /// <param name="labelColumnName">The true labels: a vector of Boolean, or of Single with 0 and 1.</param>
    /// <param name="probabilityColumnName">The labels' probabilities, a vector of Single.</param>
    /// <param name="bins">Ranges of the probability.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type or size, a value is no probability, or there are no rows.</exception>
    public static CalibrationMetrics EvaluateMultiLabelCalibration(
        this MulticlassClassificationCatalog catalog, IDataView data, string labelColumnName = "Label", string probabilityColumnName = "Probability", int bins = CalibrationCounts.DefaultBins)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        var label = Column(data, labelColumnName, "a vector of Boolean or Single of a known size", t =>
            t is VectorDataViewType { IsKnownSize: true } v && (v.ItemType is BooleanDataViewType || v.ItemType == NumberDataViewType.Single));
        var probability = Column(data, probabilityColumnName, "a vector of Single of the label's size", t =>
            t is VectorDataViewType { IsKnownSize: true } v && v.ItemType == NumberDataViewType.Single && v.Size == ((VectorDataViewType)label.Type).Size);
        return Count(data, bins, [label, probability], (cursor, counts) =>
        {
            var labels = LabelVector.Reader(cursor, label);
            var probabilities = cursor.GetGetter<VBuffer<float>>(probability);
            var row = new List<float>();
            VBuffer<float> values = default;
            return () =>
            {
                row.Clear();
                labels(cursor.Position + 1, row);
                probabilities(ref values);
                var checkedValues = Probabilities([.. values.DenseValues()], probability.Name, cursor.Position);
                for (int l = 0; l < row.Count; l++)
                    counts.AddAnswer(checkedValues[l], row[l] == 1);
            };
        });
    }

    private static CalibrationMetrics Count(IDataView data, int bins, DataViewSchema.Column[] columns, Func<DataViewRowCursor, CalibrationCounts, Action> reader)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        var counts = new CalibrationCounts(bins);
        using var cursor = data.GetRowCursor(columns);
        var read = reader(cursor, counts);
        while (cursor.MoveNext())
            read();
        return counts.IsEmpty ? throw new ArgumentException("There are no rows to evaluate.", nameof(data)) : counts.ToMetrics();
    }

    private static DataViewSchema.Column Column(IDataView data, string name, string wanted, Func<DataViewType, bool> fits)
    {
        if (data.Schema.GetColumnOrNull(name) is not { } column)
            throw new ArgumentException($"There is no column '{name}'; the data has {string.Join(", ", data.Schema.Select(c => c.Name))}.", nameof(data));
        return fits(column.Type) ? column : throw new ArgumentException($"The column '{name}' is of type {column.Type}; expected is {wanted}.", nameof(data));
    }

    private static float[] Probabilities(float[] values, string column, long row) => values.All(p => p is >= 0 and <= 1)
        ? values
        : throw new ArgumentException($"Row {row + 1} has {values.First(p => !(p is >= 0 and <= 1))} in the column '{column}', which is no probability. Name the column of probabilities, not of logits.");
}
