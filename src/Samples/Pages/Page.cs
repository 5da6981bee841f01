using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Samples.Pages;

/// <summary>A page that opens without a network: styles, charting library and figures are inside it.</summary>
internal static partial class Page
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.Default };

    /// <param name="title">Of the window.</param>
    /// <param name="body">What is read, as HTML; a chart's place is <see cref="Place"/>.</param>
    /// <param name="charts">The charts by the names of their places.</param>
    public static string Write(string title, string body, IReadOnlyDictionary<string, Chart> charts) => Write(title, body, charts, Asset("page.css"), Asset("page.js"));

    /// <summary>The same with figures, styles and a script of the page's own, which reads the figures from the element <c>figures</c>.</summary>
    public static string Write<T>(string title, string body, T figures, string styles, string script) => Asset("page.html")
        .Replace("<!--title-->", Encode(title), StringComparison.Ordinal)
        .Replace("/*styles*/", styles, StringComparison.Ordinal)
        .Replace("<!--body-->", body, StringComparison.Ordinal)
        // The serialiser escapes '<', so no text in the data can end the script element.
        .Replace("/*figures*/", JsonSerializer.Serialize(figures, Json), StringComparison.Ordinal)
        .Replace("<!--licence-->", Encode(Asset("chart.LICENSE.md")), StringComparison.Ordinal)
        .Replace("/*library*/", ChartLibrary(), StringComparison.Ordinal)
        .Replace("/*page*/", script, StringComparison.Ordinal);

    /// <summary>Where a chart goes, with its heading and a sentence on how to read it.</summary>
    /// <param name="name">The chart's.</param>
    /// <param name="title">The heading; also for those who cannot see the chart.</param>
    /// <param name="note">Below it; may be empty.</param>
    public static string Place(string name, string title, string note) =>
        $"<figure><h3>{Encode(title)}</h3><figcaption>{Encode(note)}</figcaption><div class=\"chart\" data-chart=\"{Encode(name)}\"><canvas role=\"img\" aria-label=\"{Encode(title)}\"></canvas></div></figure>\n";

    /// <summary>Chart.js as published, without the comment that makes browsers look for its source map.</summary>
    private static string ChartLibrary() => SourceMap().Replace(Asset("chart.umd.min.js"), "");

    /// <summary>A file of the program's own.</summary>
    public static string Asset(string name)
    {
        using var stream = typeof(Page).Assembly.GetManifestResourceStream("pages/" + name)
            ?? throw new InvalidOperationException($"The program was built without its resource pages/{name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    // WebUtility would also turn every ‖ into a number.
    public static string Encode(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);

    [GeneratedRegex(@"^//# sourceMappingURL=.*$", RegexOptions.Multiline)]
    private static partial Regex SourceMap();
}
