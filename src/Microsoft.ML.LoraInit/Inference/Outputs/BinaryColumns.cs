using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.MLNet;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>PredictedLabel, Score (the logit of true) and Probability (of true).</summary>
internal sealed class BinaryColumns(string score, string probability, string predictedLabel, ClassificationValidationMetric metric = default) : ScoreColumns
{
    public const string Kind = "binary";

    private const string ColumnKind = "BinaryClassification";

    public override TextTask Task { get; } = new BinaryTask { Metric = metric };

    public override IReadOnlyList<string> Names => [predictedLabel, score, probability];

    public override IReadOnlyList<DataViewSchema.DetachedColumn> Create(DataViewSchema input)
    {
        var setId = ScoreAnnotations.NextSetId(input);
        return
        [
            new(predictedLabel, BooleanDataViewType.Instance, ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.PredictedLabel).ToAnnotations()),
            new(score, NumberDataViewType.Single, ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.Score).ToAnnotations()),
            new(probability, NumberDataViewType.Single, ScoreAnnotations.Build(setId, ColumnKind, ScoreAnnotations.Probability, normalized: true).ToAnnotations()),
        ];
    }

    public override Delegate Getter(int index, Func<float[]> logits) => index switch
    {
        0 => (ValueGetter<bool>)((ref bool value) => value = logits()[0] > 0),
        1 => (ValueGetter<float>)((ref float value) => value = Calibration.Apply(logits()[0])),
        _ => (ValueGetter<float>)((ref float value) => value = Scores(logits())[0]),
    };

    protected override JsonObject ColumnsToJson() => new()
    {
        ["kind"] = Kind,
        ["score"] = score,
        ["probability"] = probability,
        ["predictedLabel"] = predictedLabel,
    };

    /// <summary>The columns as an estimator announces them.</summary>
    public static IEnumerable<SchemaShape.Column> Shape(string score, string probability, string predictedLabel)
    {
        yield return MLNetSchema.Column(predictedLabel, BooleanDataViewType.Instance, annotations: ScoreAnnotations.Shape());
        yield return MLNetSchema.Column(score, NumberDataViewType.Single, annotations: ScoreAnnotations.Shape());
        yield return MLNetSchema.Column(probability, NumberDataViewType.Single, annotations: ScoreAnnotations.Shape(normalized: true));
    }
}
