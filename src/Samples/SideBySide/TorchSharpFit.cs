using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.SideBySide;

/// <summary>Which of the two trainers runs with which TorchSharp: an application has one, and both share it.</summary>
internal static class TorchSharpFit
{
    /// <summary>For whom it is written, in one sentence.</summary>
    public const string Sentence =
        "ML.NET's TextClassification is written for TorchSharp 0.102.7 and fails from 0.104 on; LoraTextClassification is tested with 0.107.0.";

    /// <summary>The version in this process.</summary>
    public static Version Loaded { get; } = typeof(torch).Assembly.GetName().Version!;

    /// <summary>Why ML.NET's trainer failed, in one sentence.</summary>
    public static string Explain(Exception failure)
    {
        var message = failure.GetBaseException().Message.ReplaceLineEndings("\n").Split('\n')[0].TrimEnd('.', ' ');
        return $"TextClassification failed with \"{message}\"; TorchSharp {Loaded.ToString(3)} is loaded.";
    }
}
