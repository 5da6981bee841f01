using System.Text.Json;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>What <c>inspect --json</c> writes.</summary>
internal static class InspectionJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <param name="report">Of the start asked for.</param>
    /// <param name="other">Of the one that it is compared with, written as <c>against_report</c>; or null.</param>
    public static string Write(InspectionReport report, InspectionReport? other = null)
    {
        var json = JsonSerializer.SerializeToNode(report, Options)!.AsObject();
        if (other is not null)
            json["against_report"] = JsonSerializer.SerializeToNode(other, Options);
        return json.ToJsonString(Options) + "\n";
    }
}
