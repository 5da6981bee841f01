using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>File names of the Hugging Face layout.</summary>
internal static class CheckpointNames
{
    public const string Config = "config.json";
    public const string Vocabulary = TokenizerNames.Vocabulary;
    public const string Merges = TokenizerNames.Merges;
    public const string Weights = "model.safetensors";
    public const string WeightsIndex = "model.safetensors.index.json";

    /// <summary>Weight files that are Python pickles: loading one runs the code in it, so they are refused.</summary>
    public static readonly IReadOnlyList<string> Pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

    /// <summary>Why a checkpoint without safetensors is refused, and what to do about it.</summary>
    public static string PickleAdvice(string source) =>
        $"'{source}' has its weights only as a Python pickle (pytorch_model.bin), which can run code when loaded and is not read here. "
        + "Convert it once in Python: RobertaForMaskedLM.from_pretrained(id).save_pretrained(folder, safe_serialization=True), "
        + "or use a revision of the repository that has model.safetensors.";
}
