using System.Diagnostics.Metrics;

namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>What can be collected of every model in the process; costs nothing where nobody listens.</summary>
internal static class ScoringMetrics
{
    private static readonly Meter Meter = new("Microsoft.ML.LoraInit");

    /// <summary>Rows of one forward pass that engines asked for.</summary>
    public static readonly Histogram<long> BatchSize = Meter.CreateHistogram<long>("lorainit.batch.size", "{row}", "Rows of concurrent engines in one forward pass.", null,
        new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });
}
