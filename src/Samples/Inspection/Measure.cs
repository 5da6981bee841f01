using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>How one of the measures is shown in tables and plots.</summary>
/// <param name="Short">The column's head in the terminal.</param>
/// <param name="Title">The head elsewhere.</param>
/// <param name="Note">What it means.</param>
/// <param name="Value">Its value, or null where there is none.</param>
/// <param name="IsShare">Whether it goes from 0 to 1.</param>
internal sealed record Measure(string Short, string Title, string Note, Func<AdapterMeasures, double?> Value, bool IsShare = false)
{
    public static IReadOnlyList<Measure> All { get; } =
    [
        new("‖P‖/‖W‖", "Size of the product", "‖s·BA‖ / ‖W‖", m => m.ProductRatio),
        new("energy", "Captured energy", "Share of ‖W‖² within the product's column and row space", m => m.CapturedEnergy, true),
        new("B energy", "Energy of the outputs", "Share of ‖W‖² within B's column space", m => m.OutputEnergy, true),
        new("A energy", "Energy of the inputs", "Share of ‖W‖² within A's row space", m => m.InputEnergy, true),
        new("eff. rank", "Effective rank", "exp of the entropy of the product's singular values", m => m.EffectiveRank),
        new("ΔW", "Change of the weight", "‖W' + s·BA − W‖ / ‖W‖, W' being the base that training starts from", m => m.WeightChange),
        new("‖∂A‖", "Gradient of A", "Norm of the mean loss's gradient before the first step", m => m.GradientNormA),
        new("‖∂B‖", "Gradient of B", "Norm of the mean loss's gradient before the first step", m => m.GradientNormB),
        new("B overlap", "Overlap of the outputs", "Mean squared cosine between B's column space and the other initialisation's", m => m.OutputOverlap, true),
        new("A overlap", "Overlap of the inputs", "Mean squared cosine between A's row space and the other initialisation's", m => m.InputOverlap, true),
    ];

    /// <summary>Those that the report has values of.</summary>
    public static IReadOnlyList<Measure> In(InspectionReport report) => [.. All.Where(m => m.Value(report.Total) is not null)];

    /// <summary>Four significant digits; tiny numbers in powers of ten.</summary>
    public static string Text(double? value) => value switch
    {
        null => "–",
        0 => "0",
        { } v when Math.Abs(v) is < 1e-3 or >= 1e5 => v.ToString("0.0e+0", CultureInfo.InvariantCulture).Replace("e-", "e−", StringComparison.Ordinal),
        { } v => v.ToString("G4", CultureInfo.InvariantCulture),
    };

    public static string Bytes(long? bytes) => bytes is { } b ? string.Create(CultureInfo.InvariantCulture, $"{b / 1048576.0:0} MB") : "–";

    /// <summary>A strategy with the settings that it has.</summary>
    public static string Strategy(System.Text.Json.Nodes.JsonObject json)
    {
        var settings = json.Where(p => p.Key != "name" && p.Value is not null).Select(p => $"{p.Key}={p.Value}").ToArray();
        return settings.Length == 0 ? (string)json["name"]! : $"{json["name"]} ({string.Join(", ", settings)})";
    }

    /// <summary>The module without what all modules have in common.</summary>
    public static string ShortName(string module) => module.Replace("roberta.encoder.layer.", "", StringComparison.Ordinal);
}
