using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// The shape of a RoBERTa model, as its <c>config.json</c> states it. <c>RobertaConfigReader</c>
/// reads and checks it.
/// </summary>
internal sealed record RobertaConfig
{
    /// <summary>Which of the family it is: the encoder is one and the same, the tokenizers differ.</summary>
    // Left out of saved models where it is RoBERTa, which is all that version 0.1.0 knew.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public RobertaModelType ModelType { get; init; }

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    public required int IntermediateSize { get; init; }

    /// <summary>Rows of the position table: tokens + padding offset (514 for 512 tokens).</summary>
    public required int MaxPositions { get; init; }

    public int TypeVocabularySize { get; init; } = 1;

    public double LayerNormEps { get; init; } = 1e-5;

    public double HiddenDropout { get; init; } = 0.1;

    public double AttentionDropout { get; init; } = 0.1;

    /// <summary>Dropout of the head: <c>classifier_dropout</c>, or the hidden dropout where that is null.</summary>
    public double ClassifierDropout { get; init; } = 0.1;

    /// <summary>Standard deviation of the head's normal initialisation.</summary>
    public double InitializerRange { get; init; } = 0.02;

    public int BosTokenId { get; init; }

    public int PadTokenId { get; init; } = 1;

    public int EosTokenId { get; init; } = 2;

    public int HeadSize => HiddenSize / Heads;

    /// <summary>The longest sequence, special tokens included: 512 for the published models.</summary>
    public int MaxLength => MaxPositions - PadTokenId - 1;
}
