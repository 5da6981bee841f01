using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>Models with RoBERTa's encoder, by the <c>model_type</c> of their <c>config.json</c>.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RobertaModelType>))]
internal enum RobertaModelType
{
    /// <summary><c>roberta</c>: byte-level BPE.</summary>
    Roberta,

    /// <summary><c>xlm-roberta</c>: SentencePiece's Unigram, whose pieces follow four special tokens.</summary>
    XlmRoberta,

    /// <summary><c>camembert</c>: SentencePiece's Unigram, whose pieces follow five special tokens, its own among them.</summary>
    Camembert,
}
