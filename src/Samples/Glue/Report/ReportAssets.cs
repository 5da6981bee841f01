using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The files that a page is made of, embedded in the program.</summary>
internal static partial class ReportAssets
{
    public static string Text(string name)
    {
        using var stream = typeof(ReportAssets).Assembly.GetManifestResourceStream("report/" + name)
            ?? throw new InvalidOperationException($"The program was built without its resource report/{name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>Chart.js as published, without the comment that makes browsers look for its source map.</summary>
    public static string ChartLibrary() => SourceMap().Replace(Text("chart.umd.min.js"), "");

    [GeneratedRegex(@"^//# sourceMappingURL=.*$", RegexOptions.Multiline)]
    private static partial Regex SourceMap();
}
