namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>The parts of a page that stand in for others.</summary>
internal static class Page
{
    /// <summary>How many colours the style sheet has for series: classes s0, s1, ….</summary>
    public const int Colours = 6;

    public static string Asset(string name)
    {
        using var stream = typeof(Page).Assembly.GetManifestResourceStream("inspection/" + name)
            ?? throw new InvalidOperationException($"The program was built without its resource inspection/{name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    // WebUtility would also turn every ‖ into a number.
    public static string Encode(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);
}
