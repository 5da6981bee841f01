namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>AdaLoRA's budget of triplets: all of them, then fewer by a cube, then the target.</summary>
/// <param name="Warmup">Steps before the first cut.</param>
/// <param name="Final">Steps after the last.</param>
/// <param name="Total">Steps in all.</param>
/// <param name="Interval">Steps between cuts.</param>
/// <param name="Initial">Triplets at the start.</param>
/// <param name="Target">Triplets at the end.</param>
internal sealed record BudgetSchedule(long Warmup, long Final, long Total, int Interval, int Initial, int Target)
{
    /// <summary>The step that settles which triplets stay: the run's own last one where none is to come after it.</summary>
    public long LastCut => Math.Min(Total - Final, Total - 1);

    /// <summary>How many triplets are left after a step; null where it cuts none.</summary>
    /// <param name="step">From 0, up to <see cref="LastCut"/>.</param>
    public int? At(long step)
    {
        if (step == LastCut)
            return Target;
        if (step <= Warmup || step % Interval != 0)
            return null;
        var left = 1 - ((step - Warmup) / (double)(LastCut - Warmup));
        return (int)(((Initial - Target) * (left * left * left)) + Target);
    }
}
