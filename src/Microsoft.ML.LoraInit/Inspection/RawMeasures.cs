namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>One layer's measures as squared norms, which add up over layers as ratios do not.</summary>
internal sealed record RawMeasures
{
    public required double Weight { get; init; }

    public double Product { get; init; }

    public double Captured { get; init; }

    public double OutputCaptured { get; init; }

    public double InputCaptured { get; init; }

    public double Change { get; init; }

    /// <summary>Null where there is no adapter.</summary>
    public double? EffectiveRank { get; init; }

    public double? GradientA { get; init; }

    public double? GradientB { get; init; }

    public double? OutputOverlap { get; init; }

    public double? InputOverlap { get; init; }

    /// <summary>The measures of some layers together, or of one.</summary>
    public static AdapterMeasures Together(params IReadOnlyCollection<RawMeasures> layers)
    {
        // Dead weights have no energy to capture.
        var weight = Math.Max(layers.Sum(l => l.Weight), double.Epsilon);
        return new()
        {
            ProductRatio = Math.Sqrt(layers.Sum(l => l.Product) / weight),
            CapturedEnergy = layers.Sum(l => l.Captured) / weight,
            OutputEnergy = layers.Sum(l => l.OutputCaptured) / weight,
            InputEnergy = layers.Sum(l => l.InputCaptured) / weight,
            EffectiveRank = Mean(l => l.EffectiveRank) ?? 0,
            WeightChange = Math.Sqrt(layers.Sum(l => l.Change) / weight),
            GradientNormA = Norm(l => l.GradientA),
            GradientNormB = Norm(l => l.GradientB),
            OutputOverlap = Mean(l => l.OutputOverlap),
            InputOverlap = Mean(l => l.InputOverlap),
        };

        double? Mean(Func<RawMeasures, double?> value) => layers.Average(value);

        double? Norm(Func<RawMeasures, double?> value) => layers.Any(l => value(l) is not null) ? Math.Sqrt(layers.Sum(value)!.Value) : null;
    }
}
