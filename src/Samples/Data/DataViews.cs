using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Data;

/// <summary>Rows as ML.NET takes them: columns Text, Text2 (pairs only) and Label, typed by the kind of task.</summary>
internal static class DataViews
{
    public const string Text = "Text";
    public const string Text2 = "Text2";
    public const string Label = "Label";
    public const string Weight = "Weight";

    // With several labels a row: what stands between them. Model files keep it with the column.
    private const string DelimiterAnnotation = "LabelDelimiter";

    /// <summary>The rows; without <paramref name="pair"/> there is no column Text2, so that a model's schema says what it reads, and without <paramref name="weighted"/> none of weights.</summary>
    public static IDataView Create(MLContext ml, IEnumerable<TextFileRow> rows, TaskKind kind, bool pair, char delimiter = LabelList.DefaultDelimiter, bool weighted = false) => kind switch
    {
        TaskKind.MultiLabel => Load(ml, rows.Select(r => new TextLabelRow { Text = r.Text, Text2 = r.Text2, Label = r.Label ?? "", Weight = r.Weight }), pair, weighted,
            label => label.AddAnnotation(DelimiterAnnotation, delimiter.ToString().AsMemory(), TextDataViewType.Instance)),
        TaskKind.Multiclass => Load(ml, rows.Select(r => new TextLabelRow { Text = r.Text, Text2 = r.Text2, Label = r.Label ?? "", Weight = r.Weight }), pair, weighted),
        TaskKind.Binary => Load(ml, rows.Select(r => new BinaryRow { Text = r.Text, Text2 = r.Text2, Label = IsTrue(r.Label), Weight = r.Weight }), pair, weighted),
        _ => Load(ml, rows.Select(r => new RegressionRow { Text = r.Text, Text2 = r.Text2, Label = Number(r.Label), Weight = r.Weight }), pair, weighted),
    };

    /// <summary>What stands between the labels, by the schema of rows with several labels each.</summary>
    public static char Delimiter(DataViewSchema schema)
    {
        if (schema[Label].Annotations is not { } annotations || annotations.Schema.GetColumnOrNull(DelimiterAnnotation) is null)
            return LabelList.DefaultDelimiter;
        ReadOnlyMemory<char> delimiter = default;
        annotations.GetValue(DelimiterAnnotation, ref delimiter);
        return delimiter.Span[0];
    }

    private static IDataView Load<T>(MLContext ml, IEnumerable<T> rows, bool pair, bool weighted, Action<SchemaDefinition.Column>? annotate = null)
        where T : class
    {
        var schema = SchemaDefinition.Create(typeof(T));
        annotate?.Invoke(schema[Label]);
        if (!pair)
            schema.Remove(schema.Single(c => c.MemberName == Text2));
        if (!weighted)
            schema.Remove(schema.Single(c => c.MemberName == Weight));
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static bool IsTrue(string? label) => BinaryLabel.TryParse(label, out bool value) && value;

    private static float Number(string? label) => label is null ? 0 : float.Parse(label, NumberStyles.Float, CultureInfo.InvariantCulture);

    private sealed class TextLabelRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public string? Label { get; set; }

        public float Weight { get; set; }
    }

    private sealed class BinaryRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public bool Label { get; set; }

        public float Weight { get; set; }
    }

    private sealed class RegressionRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public float Label { get; set; }

        public float Weight { get; set; }
    }
}
