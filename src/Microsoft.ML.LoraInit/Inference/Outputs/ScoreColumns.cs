using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>The columns that a model writes: names, types, annotations, and their values from a row's logits.</summary>
internal abstract class ScoreColumns
{
    /// <summary>What the model was trained for.</summary>
    public abstract TextTask Task { get; }

    public abstract IReadOnlyList<string> Names { get; }

    /// <summary>What stands between the logits and the scores.</summary>
    public ScoreCalibration Calibration { get; private set; } = ScoreCalibration.None;

    /// <summary>The same columns, calibrated.</summary>
    public ScoreColumns With(ScoreCalibration calibration)
    {
        var copy = (ScoreColumns)MemberwiseClone();
        copy.Calibration = calibration;
        return copy;
    }

    /// <summary>What users see of a row's logits: <see cref="TextTask.Scores"/>, calibrated.</summary>
    public float[] Scores(float[] logits) => Calibration.Scores(Task, logits);

    /// <summary>The columns after those of <paramref name="input"/>.</summary>
    public abstract IReadOnlyList<DataViewSchema.DetachedColumn> Create(DataViewSchema input);

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the column at <paramref name="index"/> for the row whose logits <paramref name="logits"/> returns.</summary>
    public abstract Delegate Getter(int index, Func<float[]> logits);

    /// <summary>What a saved model keeps.</summary>
    public JsonObject ToJson()
    {
        var json = ColumnsToJson();
        Calibration.AddTo(json);
        return json;
    }

    /// <exception cref="FormatException">The object is not what <see cref="ToJson"/> writes.</exception>
    public static ScoreColumns FromJson(JsonObject json)
    {
        try
        {
            ScoreColumns columns = (string?)json["kind"] switch
            {
                MulticlassColumns.Kind => MulticlassColumns.Read(json),
                BinaryColumns.Kind => new BinaryColumns(Text("score"), Text("probability"), Text("predictedLabel")),
                MultiLabelColumns.Kind => MultiLabelColumns.Read(json, Text),
                RegressionColumns.Kind => new RegressionColumns(Text("score")),
                var kind => throw new FormatException($"Unknown kind of model '{kind}'."),
            };
            columns = columns.With(ScoreCalibration.Read(json, columns.Task.OutputCount));
            var known = columns.ToJson();
            if (json.Select(p => p.Key).FirstOrDefault(k => !known.ContainsKey(k)) is { } unknown)
                throw new FormatException($"The output columns have the unknown member '{unknown}'.");
            if (columns.Names.Any(string.IsNullOrWhiteSpace) || columns.Names.Distinct(StringComparer.Ordinal).Count() != columns.Names.Count)
                throw new FormatException("Two output columns have one name, or one has none.");
            return columns;
        }
        // What conversions of values and the constructors say.
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or OverflowException or InvalidDataException)
        {
            throw new FormatException($"The output columns cannot be read: {e.Message}", e);
        }

        string Text(string key) => (string?)json[key] ?? throw new FormatException($"The output column '{key}' is missing.");
    }

    /// <summary>Names and kind.</summary>
    protected abstract JsonObject ColumnsToJson();
}
