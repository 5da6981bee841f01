namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The files that the report's page is made of, embedded in the program; the charting library is that of all pages.</summary>
internal static class ReportAssets
{
    public static string Text(string name)
    {
        using var stream = typeof(ReportAssets).Assembly.GetManifestResourceStream("report/" + name)
            ?? throw new InvalidOperationException($"The program was built without its resource report/{name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
