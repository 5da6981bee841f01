namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>A mean of paired differences and what can be said of it.</summary>
/// <param name="Mean">The mean difference; NaN without a pair.</param>
/// <param name="Low">The lower end of the 95 % paired t interval; null below two pairs, and where all differences are the same.</param>
/// <param name="High">Its upper end.</param>
/// <param name="Pairs">The number of pairs.</param>
/// <param name="P">The two-sided p value of the paired t test; null where there is no interval.</param>
/// <param name="AdjustedP">The same after Holm's correction over the table; null where it was not tested there.</param>
internal readonly record struct Difference(double Mean, double? Low, double? High, int Pairs, double? P = null, double? AdjustedP = null)
{
    /// <summary>Fewer pairs are shown and never marked: an interval over two to four seeds says too little.</summary>
    public const int FewestPairs = 5;

    /// <summary>The share of tables with a false mark, where there are no differences at all, stays below this.</summary>
    public const double Level = 0.05;

    /// <summary>Whether it takes part in the table's tests.</summary>
    public bool IsTested => Pairs >= FewestPairs && P is not null;

    public CellMark Mark => AdjustedP < Level ? Mean > 0 ? CellMark.Better : CellMark.Worse : CellMark.None;
}
