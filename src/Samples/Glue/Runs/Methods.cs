namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>The fine-tuning methods that a grid can name.</summary>
internal static class Methods
{
    public const string Lora = "lora";
    public const string RankStabilized = "rslora";
    public const string Dora = "dora";
    public const string NoInitialization = "none";

    /// <summary>Has low-rank factors, hence an initialisation, a rank and an alpha.</summary>
    public static bool HasAdapters(string method) => method is RankStabilized or Dora || IsLora(method) || Of(method) is LoraFamilyMethod;

    /// <summary>Whether it is LoRA by its own name, with settings or without: <c>lora:freeze=a</c>.</summary>
    public static bool IsLora(string method) => method == Lora || method.StartsWith($"{Lora}:", StringComparison.Ordinal);

    /// <summary>What a trainer is given.</summary>
    public static FineTuningMethod Of(string method) => method is RankStabilized or Dora ? FineTuningMethod.Lora() : FineTuningMethod.Parse(method);
}
