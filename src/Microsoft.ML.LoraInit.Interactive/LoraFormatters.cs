using Microsoft.DotNet.Interactive.Formatting;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Interactive;

/// <summary>Tables and coloured texts for notebooks of .NET Interactive, in place of a list of properties.</summary>
public static class LoraFormatters
{
    /// <summary>
    /// From now on the notebook shows <see cref="TrainingHistory"/>, <see cref="InspectionReport"/>, <see cref="TextExplanation"/> and the metrics of
    /// ML.NET and of this library as HTML. Calling it again changes nothing.
    /// </summary>
    public static void Register()
    {
        Html<TrainingHistory>(HistoryHtml.Write);
        Html<InspectionReport>(InspectionHtml.Write);
        Html<TextExplanation>(ExplanationHtml.Write);
        Html<MulticlassClassificationMetrics>(MetricsHtml.Write);
        Html<BinaryClassificationMetrics>(MetricsHtml.Write);
        Html<RegressionMetrics>(MetricsHtml.Write);
        Html<CorrelationMetrics>(MetricsHtml.Write);
        Html<MultiLabelClassificationMetrics>(MetricsHtml.Write);
    }

    private static void Html<T>(Func<T, string> write) =>
        Formatter.Register<T>((value, writer) => writer.Write(write(value)), HtmlFormatter.MimeType);
}
