using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue.Reading;

namespace Microsoft.ML.LoraInit.Samples.Data;

/// <summary>Rows as ML.NET takes them: columns Text, Text2 (pairs only) and Label, typed by the kind of task.</summary>
internal static class DataViews
{
    public const string Text = "Text";
    public const string Text2 = "Text2";
    public const string Label = "Label";

    /// <summary>The rows; without <paramref name="pair"/> there is no column Text2, so that a model's schema says what it reads.</summary>
    public static IDataView Create(MLContext ml, IEnumerable<TextRow> rows, TaskKind kind, bool pair) => kind switch
    {
        TaskKind.Multiclass => Load(ml, rows.Select(r => new MulticlassRow { Text = r.Text, Text2 = r.Text2, Label = r.Label ?? "" }), pair),
        TaskKind.Binary => Load(ml, rows.Select(r => new BinaryRow { Text = r.Text, Text2 = r.Text2, Label = IsTrue(r.Label) }), pair),
        _ => Load(ml, rows.Select(r => new RegressionRow { Text = r.Text, Text2 = r.Text2, Label = Number(r.Label) }), pair),
    };

    private static IDataView Load<T>(MLContext ml, IEnumerable<T> rows, bool pair)
        where T : class
    {
        var schema = SchemaDefinition.Create(typeof(T));
        if (!pair)
            schema.Remove(schema.Single(c => c.MemberName == Text2));
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static bool IsTrue(string? label) => label is not null && label.ToLowerInvariant() is "1" or "true";

    private static float Number(string? label) => label is null ? 0 : float.Parse(label, NumberStyles.Float, CultureInfo.InvariantCulture);

    private sealed class MulticlassRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public string? Label { get; set; }
    }

    private sealed class BinaryRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public bool Label { get; set; }
    }

    private sealed class RegressionRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public float Label { get; set; }
    }
}
