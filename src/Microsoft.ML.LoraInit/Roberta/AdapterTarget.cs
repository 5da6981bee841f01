namespace Microsoft.ML.LoraInit;

/// <summary>A linear layer chosen for adaptation, with the rank and scale that the patterns give it.</summary>
/// <param name="ModuleName">Full name, such as <c>roberta.encoder.layer.0.attention.self.query</c>.</param>
/// <param name="InFeatures">Columns of W: the length of an input.</param>
/// <param name="OutFeatures">Rows of W: the length of an output.</param>
/// <param name="Rank">r, at least 1.</param>
/// <param name="Alpha">Numerator of the scaling.</param>
/// <param name="RankStabilized">Whether the scaling is alpha / √r (rsLoRA, arXiv 2312.03732) instead of alpha / r.</param>
public sealed record AdapterTarget(string ModuleName, int InFeatures, int OutFeatures, int Rank, double Alpha, bool RankStabilized)
{
    /// <summary>s, the factor on B·A.</summary>
    public double Scaling => RankStabilized ? Alpha / Math.Sqrt(Rank) : Alpha / Rank;
}
