using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>How one of the measures is shown in tables and plots.</summary>
/// <param name="Short">The column's head in the terminal.</param>
/// <param name="Title">The head elsewhere.</param>
/// <param name="Note">What it means.</param>
/// <param name="Value">Its value, or null where there is none.</param>
/// <param name="Scale">What its values lie between.</param>
internal sealed record Measure(string Short, string Title, string Note, Func<AdapterMeasures, double?> Value, MeasureScale Scale = MeasureScale.Share)
{
    /// <summary>Below it a part of something is what fp32 leaves of 0.</summary>
    public const double Rounding = 1e-5;

    public static IReadOnlyList<Measure> All { get; } =
    [
        new("‖P‖/‖W‖", "Size of the product", "‖s·BA‖ / ‖W‖", m => m.ProductRatio, MeasureScale.Relative),
        new("energy", "Captured energy", "Share of ‖W‖² within the product's column and row space", m => m.CapturedEnergy),
        new("B energy", "Energy of the outputs", "Share of ‖W‖² within B's column space", m => m.OutputEnergy),
        new("A energy", "Energy of the inputs", "Share of ‖W‖² within A's row space", m => m.InputEnergy),
        new("eff. rank", "Effective rank", "exp of the entropy of the product's singular values", m => m.EffectiveRank, MeasureScale.Open),
        new("ΔW", "Change of the weight", "‖W' + s·BA − W‖ / ‖W‖, W' being the base that training starts from", m => m.WeightChange, MeasureScale.Relative),
        new("‖∂A‖", "Gradient of A", "Norm of the mean loss's gradient before the first step", m => m.GradientNormA, MeasureScale.Open),
        new("‖∂B‖", "Gradient of B", "Norm of the mean loss's gradient before the first step", m => m.GradientNormB, MeasureScale.Open),
        new("B overlap", "Overlap of the outputs", "Mean squared cosine between B's column space and the other initialisation's", m => m.OutputOverlap),
        new("A overlap", "Overlap of the inputs", "Mean squared cosine between A's row space and the other initialisation's", m => m.InputOverlap),
    ];

    /// <summary>Those that a report has values of.</summary>
    public static IReadOnlyList<Measure> In(params InspectionReport[] reports) => [.. All.Where(m => reports.Any(r => m.Value(r.Total) is not null))];

    /// <summary>A layer's value as it is shown.</summary>
    public string Of(AdapterMeasures measures) => Scale == MeasureScale.Open ? Text(Value(measures)) : Part(Value(measures));

    /// <summary>As <see cref="Text"/>, of a part of something: what rounding leaves of 0 is about 0.</summary>
    public static string Part(double? value) => value is { } v && v != 0 && Math.Abs(v) < Rounding ? "≈ 0" : Text(value);

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

/// <summary>What a measure's values lie between.</summary>
internal enum MeasureScale
{
    /// <summary>0 and 1.</summary>
    Share,

    /// <summary>0 and no end, in parts of something, so that rounding can be told.</summary>
    Relative,

    /// <summary>0 and no end.</summary>
    Open,
}
