namespace Microsoft.ML.LoraInit.Data;

/// <summary>
/// The embedded checkpoint behind <c>RobertaCheckpoint.Mini</c>: a RoBERTa of 4 layers, hidden size 256, 4 heads and
/// a vocabulary of 8,192 (5.4 M parameters, fp16), in the Hugging Face layout.
/// </summary>
public static class RobertaMiniData
{
    /// <summary>The resources: <c>config.json</c>, <c>model.safetensors</c>, <c>vocab.json</c>, <c>merges.txt</c>.</summary>
    public static IReadOnlyList<string> FileNames { get; } = ["config.json", "model.safetensors", "vocab.json", "merges.txt"];

    /// <summary>Opens one of <see cref="FileNames"/>.</summary>
    /// <exception cref="FileNotFoundException">There is no resource of that name.</exception>
    public static Stream Open(string fileName) =>
        typeof(RobertaMiniData).Assembly.GetManifestResourceStream(fileName)
        ?? throw new FileNotFoundException($"The mini model has no file '{fileName}'; it has {string.Join(", ", FileNames)}.", fileName);
}
