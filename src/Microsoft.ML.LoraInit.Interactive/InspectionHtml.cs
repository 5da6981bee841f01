using System.Net;

namespace Microsoft.ML.LoraInit.Interactive;

/// <summary>A start of adapters, layer by layer, all of them last.</summary>
internal static class InspectionHtml
{
    private static readonly string[] Header =
        ["layer", "rank", "product ratio", "captured energy", "output energy", "input energy", "effective rank", "weight change", "gradient of A", "gradient of B", "output overlap", "input overlap"];

    public static string Write(InspectionReport report)
    {
        object?[][] rows = [.. report.Layers.Select(l => Row(l.Module, l.Rank, l.Measures)), Row("all", null, report.Total)];
        var warnings = string.Concat(report.Warnings.Select(w => $"<p><b>{WebUtility.HtmlEncode(w)}</b></p>"));
        return $"<p>{WebUtility.HtmlEncode(report.Initialization.ToJsonString())} on {WebUtility.HtmlEncode(report.BaseModel)}, {WebUtility.HtmlEncode(report.Precision)}, seed {report.Seed}</p>"
            + HtmlTable.Write(Header, rows) + warnings;
    }

    private static object?[] Row(string name, int? rank, AdapterMeasures m) =>
    [
        name, rank, m.ProductRatio, m.CapturedEnergy, m.OutputEnergy, m.InputEnergy, m.EffectiveRank, m.WeightChange, m.GradientNormA, m.GradientNormB, m.OutputOverlap, m.InputOverlap,
    ];
}
