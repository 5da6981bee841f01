using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.MLNet;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>Score, the predicted value.</summary>
internal sealed class RegressionColumns(string score, RegressionValidationMetric metric = default) : ScoreColumns
{
    public const string Kind = "regression";

    public override TextTask Task { get; } = new RegressionTask { Metric = metric };

    public override IReadOnlyList<string> Names => [score];

    public override IReadOnlyList<DataViewSchema.DetachedColumn> Create(DataViewSchema input) =>
    [
        new(score, NumberDataViewType.Single, ScoreAnnotations.Build(ScoreAnnotations.NextSetId(input), "Regression", ScoreAnnotations.Score).ToAnnotations()),
    ];

    public override Delegate Getter(int index, Func<float[]> logits) =>
        (ValueGetter<float>)((ref float value) => value = Task.Scores(logits())[0]);

    protected override JsonObject ColumnsToJson() => new() { ["kind"] = Kind, ["score"] = score };

    /// <summary>The column as an estimator announces it.</summary>
    public static IEnumerable<SchemaShape.Column> Shape(string score)
    {
        yield return MLNetSchema.Column(score, NumberDataViewType.Single, annotations: ScoreAnnotations.Shape());
    }
}
