using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.MLNet;
using static Microsoft.ML.SchemaShape.Column;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>PredictedLabel, a key of the label's values, and Score, the probability of each class.</summary>
internal sealed class MulticlassColumns : ScoreColumns
{
    public const string Kind = "multiclass";

    private const string ColumnKind = "MulticlassClassification";

    private readonly string _score;
    private readonly string _predictedLabel;
    private readonly int _classes;
    private readonly ClassNames? _names;

    public MulticlassColumns(string score, string predictedLabel, int classes, ClassNames? names, ClassificationValidationMetric metric = default)
    {
        (_score, _predictedLabel, _classes, _names) = (score, predictedLabel, classes, names);
        if (classes < 2 || (names is not null && names.Texts.Count != classes))
            throw new FormatException($"There are {names?.Texts.Count ?? classes} class names for {classes} classes.");
        Task = new MulticlassTask(classes, names?.Texts) { Metric = metric };
    }

    public override TextTask Task { get; }

    /// <summary>The values behind the classes' keys, or null.</summary>
    public ClassNames? Classes => _names;

    /// <summary>The column of the class.</summary>
    public string PredictedLabel => _predictedLabel;

    /// <summary>The column of the probabilities.</summary>
    public string Score => _score;

    public override IReadOnlyList<string> Names => [_predictedLabel, _score];

    public override IReadOnlyList<DataViewSchema.DetachedColumn> Create(DataViewSchema input)
    {
        var setId = ScoreAnnotations.NextSetId(input);
        var label = ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.PredictedLabel);
        var score = ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.Score);
        if (_names is { } names)
        {
            label.Add(ClassNames.KeyValues, names.Type, names.Getter);
            score.Add(ScoreAnnotations.TrainingLabelValues, names.Type, names.Getter);
            var slots = names.Texts.Select(t => t.AsMemory()).ToArray();
            score.Add(ScoreAnnotations.SlotNames, new VectorDataViewType(TextDataViewType.Instance, _classes),
                (ref VBuffer<ReadOnlyMemory<char>> value) => new VBuffer<ReadOnlyMemory<char>>(slots.Length, slots).CopyTo(ref value));
        }
        return
        [
            new(_predictedLabel, new KeyDataViewType(typeof(uint), _classes), label.ToAnnotations()),
            new(_score, new VectorDataViewType(NumberDataViewType.Single, _classes), score.ToAnnotations()),
        ];
    }

    public override Delegate Getter(int index, Func<float[]> logits)
    {
        if (index == 0)
            return (ValueGetter<uint>)((ref uint value) => value = (uint)MulticlassTask.Largest(logits()) + 1);
        return (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
        {
            var editor = VBufferEditor.Create(ref value, _classes);
            Scores(logits()).CopyTo(editor.Values);
            value = editor.Commit();
        });
    }

    protected override JsonObject ColumnsToJson() => new()
    {
        ["kind"] = Kind,
        ["score"] = _score,
        ["predictedLabel"] = _predictedLabel,
        ["classes"] = _classes,
        ["names"] = _names?.ToJson(),
    };

    public static MulticlassColumns Read(JsonObject json) => new(
        (string?)json["score"] ?? throw new FormatException("The score column is missing."),
        (string?)json["predictedLabel"] ?? throw new FormatException("The predicted label column is missing."),
        (int?)json["classes"] ?? throw new FormatException("The number of classes is missing."),
        json["names"] is JsonObject names ? ClassNames.FromJson(names) : null);

    /// <summary>The columns as an estimator announces them, given the label's.</summary>
    public static IEnumerable<SchemaShape.Column> Shape(string score, string predictedLabel, SchemaShape.Column label)
    {
        SchemaShape.Column[] named = [], values = [];
        if (label.Annotations.FirstOrDefault(c => c.Name == ClassNames.KeyValues) is { Name: not null, Kind: VectorKind.Vector } keys)
        {
            named =
            [
                MLNetSchema.Column(ScoreAnnotations.TrainingLabelValues, keys.ItemType, VectorKind.Vector),
                MLNetSchema.Column(ScoreAnnotations.SlotNames, TextDataViewType.Instance, VectorKind.Vector),
            ];
            values = [MLNetSchema.Column(ClassNames.KeyValues, keys.ItemType, VectorKind.Vector)];
        }
        yield return MLNetSchema.Column(predictedLabel, NumberDataViewType.UInt32, isKey: true, annotations: ScoreAnnotations.Shape().Concat(values));
        yield return MLNetSchema.Column(score, NumberDataViewType.Single, VectorKind.Vector, annotations: ScoreAnnotations.Shape().Concat(named));
    }
}
