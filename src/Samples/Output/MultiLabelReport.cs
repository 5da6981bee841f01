using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>The metrics of rows that have any number of labels: for people, and for <c>--json</c>.</summary>
internal static class MultiLabelReport
{
    /// <summary>Names and values for people, in the order of the report.</summary>
    public static IEnumerable<(string Name, double Value)> Present(MultiLabelClassificationMetrics metrics) =>
        All(metrics).Where(m => double.IsFinite(m.Value)).Select(m => (m.Name, m.Value));

    /// <summary>A line a label.</summary>
    public static void WriteLabels(Terminal terminal, MultiLabelClassificationMetrics metrics)
    {
        terminal.Output.WriteLine();
        TextTable.Write(terminal, ["label", "rows", "precision", "recall", "F1", "AUC"],
        [
            .. metrics.PerLabel.Select(label => (string[])
            [
                label.Name, $"{label.Positives}", $"{label.Precision:0.00}", $"{label.Recall:0.00}", $"{label.F1Score:0.00}",
                double.IsNaN(label.AreaUnderRocCurve) ? "–" : $"{label.AreaUnderRocCurve:0.000}",
            ]),
        ]);
    }

    /// <summary>The metrics over all labels; what does not apply is left out, as JSON has no NaN.</summary>
    public static JsonObject ToJson(MultiLabelClassificationMetrics metrics) => Object(All(metrics).Select(m => (m.Key, m.Value)));

    /// <summary>Each label's own metrics, in the order of the model's labels.</summary>
    public static JsonArray PerLabel(MultiLabelClassificationMetrics metrics) => [.. metrics.PerLabel.Select(label => Object(
        [
            ("precision", label.Precision), ("recall", label.Recall), ("f1", label.F1Score),
            ("average_precision", label.AveragePrecision), ("auc", label.AreaUnderRocCurve),
        ],
        ("label", label.Name), ("rows", label.Positives)))];

    private static (string Key, string Name, double Value)[] All(MultiLabelClassificationMetrics metrics) =>
    [
        ("micro_f1", "micro F1", metrics.MicroF1), ("macro_f1", "macro F1", metrics.MacroF1),
        ("micro_precision", "micro precision", metrics.MicroPrecision), ("micro_recall", "micro recall", metrics.MicroRecall),
        ("subset_accuracy", "subset accuracy", metrics.SubsetAccuracy), ("hamming_loss", "Hamming loss", metrics.HammingLoss),
        ("mean_average_precision", "mean average precision", metrics.MeanAveragePrecision), ("mean_auc", "mean AUC", metrics.MeanAreaUnderRocCurve),
    ];

    private static JsonObject Object(IEnumerable<(string Key, double Value)> values, params (string Key, JsonNode Value)[] first) => new(
        first.Select(f => KeyValuePair.Create(f.Key, (JsonNode?)f.Value))
            .Concat(values.Where(v => double.IsFinite(v.Value)).Select(v => KeyValuePair.Create(v.Key, (JsonNode?)v.Value))));
}
