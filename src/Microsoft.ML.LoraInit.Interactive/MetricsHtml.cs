namespace Microsoft.ML.LoraInit.Interactive;

/// <summary>Every number of a set of metrics: a row each.</summary>
internal static class MetricsHtml
{
    public static string Write<T>(T metrics)
        where T : notnull
    {
        var numbers = typeof(T).GetProperties().Where(p => p.PropertyType == typeof(double) && p.GetIndexParameters().Length == 0);
        return HtmlTable.Write(["metric", "value"], [.. numbers.Select(p => (object?[])[p.Name, (double)p.GetValue(metrics)!])]);
    }
}
