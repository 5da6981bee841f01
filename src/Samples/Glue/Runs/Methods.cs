namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>The fine-tuning methods that a grid can name.</summary>
internal static class Methods
{
    public const string Lora = "lora";
    public const string RankStabilized = "rslora";
    public const string Dora = "dora";
    public const string NoInitialization = "none";

    /// <summary>Has low-rank factors, hence an initialisation, a rank and an alpha.</summary>
    public static bool HasAdapters(string method) => method is Lora or RankStabilized or Dora;
}
