namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// What the modules of a RoBERTa with its head are called in state dicts. A module's parameters are its name with <c>.weight</c>
/// and <c>.bias</c> after it.
/// </summary>
internal static class RobertaNames
{
    /// <summary>What every name of the blocks begins with.</summary>
    public const string Encoder = "roberta.encoder.";

    /// <summary>The embeddings' tables, whole names since they have no bias.</summary>
    public const string
        Words = "roberta.embeddings.word_embeddings.weight",
        Positions = "roberta.embeddings.position_embeddings.weight",
        TokenTypes = "roberta.embeddings.token_type_embeddings.weight";

    /// <summary>The layer norms, the first by its whole name, the others within a block.</summary>
    public const string
        EmbeddingNorm = "roberta.embeddings.LayerNorm",
        AttentionNorm = "attention.output.LayerNorm",
        OutputNorm = "output.LayerNorm";

    /// <summary>Where bottlenecks are, within a block.</summary>
    public const string AttentionBottleneck = "attention.output.bottleneck", OutputBottleneck = "output.bottleneck", LayerBottleneck = "bottleneck";

    /// <summary>Where a fusion of bottlenecks is, within a block.</summary>
    public const string OutputFusion = "output.fusion";

    /// <summary>The head's two layers.</summary>
    public const string HeadDense = "classifier.dense", HeadProjection = "classifier.out_proj";

    /// <summary>What the names of query, key and value begin with, within a block.</summary>
    public const string SelfAttention = "attention.self.";

    /// <summary>The linear layers within a block, in its order.</summary>
    private static readonly string[] Linears =
        [SelfAttention + "query", SelfAttention + "key", SelfAttention + "value", "attention.output.dense", "intermediate.dense", "output.dense"];

    /// <summary>A part of a block, by its name within it.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="part">Such as <see cref="OutputNorm"/>.</param>
    public static string InLayer(int layer, string part) => $"{Encoder}layer.{layer}.{part}";

    /// <summary>A linear layer of a block.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="module">Which one.</param>
    public static string Linear(int layer, EncoderModule module) => InLayer(layer, Linears[(int)module]);

    /// <summary>The linear layer of a block that has this name; null where it is the name of none.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="name">A whole name.</param>
    public static EncoderModule? Module(int layer, string name) =>
        Array.FindIndex(Linears, l => name == InLayer(layer, l)) is >= 0 and var index ? (EncoderModule)index : null;

    /// <summary>A linear layer's [out, in].</summary>
    public static (int Outputs, int Inputs) Shape(EncoderModule module, RobertaConfig config) => module switch
    {
        EncoderModule.Intermediate => (config.IntermediateSize, config.HiddenSize),
        EncoderModule.Output => (config.HiddenSize, config.IntermediateSize),
        _ => (config.HiddenSize, config.HiddenSize),
    };
}
