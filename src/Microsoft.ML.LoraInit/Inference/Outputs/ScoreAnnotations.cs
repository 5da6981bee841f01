using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.MLNet;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>The annotations by which ML.NET's evaluators and code generators recognise score columns.</summary>
internal static class ScoreAnnotations
{
    public const string SlotNames = "SlotNames";
    public const string TrainingLabelValues = "TrainingLabelValues";
    public const string Score = "Score";
    public const string Probability = "Probability";
    public const string PredictedLabel = "PredictedLabel";

    private const string SetId = "ScoreColumnSetId";
    private const string ColumnKind = "ScoreColumnKind";
    private const string ValueKind = "ScoreValueKind";
    private const string IsNormalized = "IsNormalized";

    // ML.NET's own type of the set id.
    private static readonly KeyDataViewType SetIdType = new(typeof(uint), int.MaxValue);

    /// <summary>The id for the next set of score columns: one more than the schema has.</summary>
    public static uint NextSetId(DataViewSchema schema)
    {
        uint largest = 0;
        foreach (var column in schema)
            if (column.Annotations.Schema.GetColumnOrNull(SetId) is { Type: KeyDataViewType type } && type.RawType == typeof(uint))
            {
                uint id = 0;
                column.Annotations.GetValue(SetId, ref id);
                largest = Math.Max(largest, id);
            }
        return largest + 1;
    }

    public static DataViewSchema.Annotations.Builder Build(uint setId, string columnKind, string valueKind, bool normalized = false)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        builder.Add(SetId, SetIdType, (ref uint value) => value = setId);
        builder.Add(ColumnKind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> value) => value = columnKind.AsMemory());
        builder.Add(ValueKind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> value) => value = valueKind.AsMemory());
        if (normalized)
            builder.Add(IsNormalized, BooleanDataViewType.Instance, (ref bool value) => value = true);
        return builder;
    }

    /// <summary>The same, as an estimator announces it.</summary>
    public static IEnumerable<SchemaShape.Column> Shape(bool normalized = false)
    {
        yield return MLNetSchema.Column(SetId, NumberDataViewType.UInt32, isKey: true);
        yield return MLNetSchema.Column(ColumnKind, TextDataViewType.Instance);
        yield return MLNetSchema.Column(ValueKind, TextDataViewType.Instance);
        if (normalized)
            yield return MLNetSchema.Column(IsNormalized, BooleanDataViewType.Instance);
    }
}
