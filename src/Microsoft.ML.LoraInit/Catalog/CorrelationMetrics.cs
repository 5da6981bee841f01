namespace Microsoft.ML.LoraInit;

/// <summary>How well scores follow labels: what STS-B is judged by.</summary>
/// <param name="PearsonCorrelation">Linear correlation, in [−1, 1]; NaN where labels or scores are all equal.</param>
/// <param name="SpearmanCorrelation">Pearson's correlation of the ranks, ties given their mean rank; NaN as above.</param>
public sealed record CorrelationMetrics(double PearsonCorrelation, double SpearmanCorrelation);
