using System.Security.Cryptography;

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

    /// <summary>SHA-256 of each saved model that a method fuses, in its order: the same path may hold another tomorrow. Null for other methods.</summary>
    /// <exception cref="UsageException">There is no such file.</exception>
    public static string? SourcesOf(string method) => Of(method) is AdapterFusionMethod { Sources.Count: > 0 } fusion
        ? string.Join('+', fusion.Sources.Select(s => Hash(s.Path!))) : null;

    private static string Hash(string path)
    {
        if (!File.Exists(path))
            throw new UsageException($"--methods: there is no file '{path}', which fusion is to read: name a saved model that the method pfeiffer trained.");
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>What a trainer is given.</summary>
    public static FineTuningMethod Of(string method) => method is RankStabilized or Dora ? FineTuningMethod.Lora() : FineTuningMethod.Parse(method);
}
