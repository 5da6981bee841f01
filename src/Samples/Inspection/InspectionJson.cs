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

    public static string Write(InspectionReport report) => JsonSerializer.Serialize(report, Options) + "\n";
}
