using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.MLNet;
using static Microsoft.ML.SchemaShape.Column;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>PredictedLabel, Score (the logits) and Probability: vectors with a slot for each label.</summary>
internal sealed class MultiLabelColumns : ScoreColumns
{
    public const string Kind = "multilabel";

    private const string ColumnKind = "MultiLabelClassification";

    private readonly string _score;
    private readonly string _probability;
    private readonly string _predictedLabel;
    private readonly MultiLabelTask _task;

    public MultiLabelColumns(string score, string probability, string predictedLabel, int labels, IReadOnlyList<string>? names, double threshold)
    {
        (_score, _probability, _predictedLabel) = (score, probability, predictedLabel);
        if (labels < 1 || (names is not null && names.Count != labels) || !(threshold is > 0 and < 1))
            throw new FormatException($"There are {names?.Count ?? labels} names for {labels} labels, predicted from {threshold} on.");
        _task = new MultiLabelTask(labels, names, threshold);
    }

    public override TextTask Task => _task;

    public override IReadOnlyList<string> Names => [_predictedLabel, _score, _probability];

    public override IReadOnlyList<DataViewSchema.DetachedColumn> Create(DataViewSchema input)
    {
        var setId = ScoreAnnotations.NextSetId(input);
        return
        [
            Column(_predictedLabel, BooleanDataViewType.Instance, ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.PredictedLabel)),
            Column(_score, NumberDataViewType.Single, ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.Score)),
            Column(_probability, NumberDataViewType.Single, ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.Probability, normalized: true)),
        ];
    }

    public override Delegate Getter(int index, Func<float[]> logits) => index switch
    {
        0 => Vector(() => Array.ConvertAll(logits(), _task.IsPredicted)),
        1 => Vector(() => Calibration.Apply(logits())),
        _ => Vector(() => Scores(logits())),
    };

    protected override JsonObject ColumnsToJson() => new()
    {
        ["kind"] = Kind,
        ["score"] = _score,
        ["probability"] = _probability,
        ["predictedLabel"] = _predictedLabel,
        ["labels"] = _task.OutputCount,
        ["names"] = _task.LabelNames is null ? null : new JsonArray([.. _task.LabelNames.Select(n => (JsonNode)n)]),
        ["threshold"] = _task.Threshold,
    };

    public static MultiLabelColumns Read(JsonObject json, Func<string, string> text) => new(
        text("score"), text("probability"), text("predictedLabel"),
        (int?)json["labels"] ?? throw new FormatException("The number of labels is missing."),
        json["names"] is JsonArray names ? [.. names.Select(n => (string?)n ?? throw new FormatException("A label's name is missing."))] : null,
        (double?)json["threshold"] ?? throw new FormatException("The threshold is missing."));

    /// <summary>The columns as an estimator announces them, given the label's.</summary>
    public static IEnumerable<SchemaShape.Column> Shape(string score, string probability, string predictedLabel, SchemaShape.Column label)
    {
        SchemaShape.Column[] named = label.Annotations.Any(c => c.Name == ScoreAnnotations.SlotNames)
            ? [MLNetSchema.Column(ScoreAnnotations.SlotNames, TextDataViewType.Instance, VectorKind.Vector)]
            : [];
        yield return MLNetSchema.Column(predictedLabel, BooleanDataViewType.Instance, VectorKind.Vector, annotations: ScoreAnnotations.Shape().Concat(named));
        yield return MLNetSchema.Column(score, NumberDataViewType.Single, VectorKind.Vector, annotations: ScoreAnnotations.Shape().Concat(named));
        yield return MLNetSchema.Column(probability, NumberDataViewType.Single, VectorKind.Vector, annotations: ScoreAnnotations.Shape(normalized: true).Concat(named));
    }

    private DataViewSchema.DetachedColumn Column(string name, PrimitiveDataViewType item, DataViewSchema.Annotations.Builder annotations)
    {
        if (_task.LabelNames is { } names)
        {
            var slots = names.Select(t => t.AsMemory()).ToArray();
            annotations.Add(ScoreAnnotations.SlotNames, new VectorDataViewType(TextDataViewType.Instance, slots.Length),
                (ref VBuffer<ReadOnlyMemory<char>> value) => new VBuffer<ReadOnlyMemory<char>>(slots.Length, slots).CopyTo(ref value));
        }
        return new(name, new VectorDataViewType(item, _task.OutputCount), annotations.ToAnnotations());
    }

    private static ValueGetter<VBuffer<T>> Vector<T>(Func<T[]> values) => (ref VBuffer<T> value) =>
    {
        var now = values();
        var editor = VBufferEditor.Create(ref value, now.Length);
        now.CopyTo(editor.Values);
        value = editor.Commit();
    };
}
