namespace Microsoft.ML.LoraInit.Embeddings;

/// <summary>What a saved step keeps beside its model.</summary>
/// <param name="Text">The text column.</param>
/// <param name="Output">The vectors' column.</param>
/// <param name="Pooling">How tokens' states become one vector.</param>
/// <param name="Normalize">Whether vectors are made 1 long.</param>
/// <param name="Prefix">Put before every text.</param>
internal sealed record EmbeddingColumns(string Text, string Output, SentencePooling Pooling, bool Normalize, string Prefix)
{
    public static EmbeddingColumns Of(RobertaEmbeddingOptions options) =>
        new(options.TextColumnName, options.OutputColumnName, options.Pooling, options.Normalize, options.Prefix);

    /// <exception cref="ArgumentException">A value is none that a step has.</exception>
    public EmbeddingColumns Checked()
    {
        new RobertaEmbeddingOptions { TextColumnName = Text, OutputColumnName = Output, Pooling = Pooling, Prefix = Prefix }.Check();
        return this;
    }
}
