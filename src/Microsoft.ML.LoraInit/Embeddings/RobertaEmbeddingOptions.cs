using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>How <c>ml.Transforms.Text.RobertaEmbeddings</c> makes vectors of texts.</summary>
public sealed record RobertaEmbeddingOptions
{
    /// <summary>The text column. Default "Text".</summary>
    public string TextColumnName { get; init; } = "Text";

    /// <summary>Written: a vector of Single, as wide as the model is. Default "Embedding".</summary>
    public string OutputColumnName { get; init; } = "Embedding";

    /// <summary>How tokens' states become one vector. Default the mean.</summary>
    public SentencePooling Pooling { get; init; } = SentencePooling.Mean;

    /// <summary>Whether vectors are made 1 long, so that their product is the cosine of their angle. Default true.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>
    /// Put before every text, such as "query: " or "passage: ", which multilingual-e5 was trained with. Default nothing.
    /// </summary>
    public string Prefix { get; init; } = "";

    /// <summary>Tokens a text at most, special tokens included, from 5 to the model's maximum; null (the default) for that, or what the trained model has.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Precision of the encoder: fp32 on a CPU and bf16 on a GPU where it is <see cref="Precision.Auto"/>, the default.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>Where to compute; null (the default) for what the <see cref="MLContext"/> says, else the CPU. A saved step does not keep it.</summary>
    public Device? Device { get; init; }

    /// <summary>What a saved step contains; null (the default): the base too where it is a folder, else its name and hash.</summary>
    public ModelSaveMode? SaveMode { get; init; }

    /// <exception cref="ArgumentException">A name is empty, or a value is out of range.</exception>
    internal void Check()
    {
        if (string.IsNullOrWhiteSpace(TextColumnName) || string.IsNullOrWhiteSpace(OutputColumnName))
            throw new ArgumentException($"{nameof(TextColumnName)} or {nameof(OutputColumnName)} is empty: name both columns.");
        if (!Enum.IsDefined(Pooling))
            throw new ArgumentException($"{nameof(Pooling)} = {Pooling} is out of range: choose Mean, FirstToken or HeadInput.");
        if (!Enum.IsDefined(Precision))
            throw new ArgumentException($"{nameof(Precision)} = {Precision} is out of range: choose Auto, Float32 or BFloat16.");
        if (SaveMode is { } mode && !Enum.IsDefined(mode))
            throw new ArgumentException($"{nameof(SaveMode)} = {mode} is out of range: choose AdapterOnly or SelfContained.");
        ArgumentNullException.ThrowIfNull(Prefix);
        if (MaxLength < RobertaTextTokenizer.LeastLength)
            throw new ArgumentException($"{nameof(MaxLength)} = {MaxLength} is out of range: use at least {RobertaTextTokenizer.LeastLength} tokens, or null for the model's maximum.");
    }
}
