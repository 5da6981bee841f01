using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using static Microsoft.ML.TransformsCatalog;

namespace Microsoft.ML;

/// <summary>The text transforms of Microsoft.ML.LoraInit in the catalog of an <see cref="MLContext"/>.</summary>
public static class TokenIdCatalogExtensions
{
    /// <summary>
    /// Tokenises texts into the inputs of a model that <c>SaveOnnxModel</c> wrote; <c>ApplyOnnxModel</c> may follow in the pipeline.
    /// </summary>
    /// <param name="catalog"><c>mlContext.Transforms.Text</c>.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="textColumnName">The text.</param>
    /// <param name="text2ColumnName">The second text of a pair, or null.</param>
    /// <param name="inputIdsColumnName">Written: ids with special tokens, a vector of Int64.</param>
    /// <param name="attentionMaskColumnName">Written: 1 on ids and 0 on padding, a vector of Int64 as long as the ids.</param>
    /// <param name="length">
    /// How long every row's vectors are made, by padding or cutting: 5 to the tokenizer's maximum length. Null (the default) for
    /// vectors as long as the row's text is, without padding, from which ApplyOnnxModel takes the length; a length given here must
    /// be given to it too, in its <c>shapeDictionary</c>.
    /// </param>
    /// <exception cref="NotSupportedException">The tokenizer reads long texts in windows, which are several rows for one.</exception>
    /// <exception cref="ArgumentException">Two columns have one name, or <paramref name="length"/> is out of range.</exception>
    public static RobertaTokenIdEstimator RobertaTokenIds(
        this TextTransforms catalog,
        RobertaTextTokenizer tokenizer,
        string textColumnName = "Text",
        string? text2ColumnName = null,
        string inputIdsColumnName = "input_ids",
        string attentionMaskColumnName = "attention_mask",
        int? length = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.LongText.Kind == LongTextKind.Windows)
            throw new NotSupportedException($"The model reads long texts in windows ({tokenizer.LongText}), and a step gives one row of ids for a row. Score it with ToOnnxRuntime, which does that by itself, or call EncodeWindows and average the logits.");
        if (length < RobertaTextTokenizer.LeastLength || length > tokenizer.MaxLength)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"Rows can be from {RobertaTextTokenizer.LeastLength} to {tokenizer.MaxLength} ids long.");
        var columns = new TokenIdColumns(textColumnName, text2ColumnName, inputIdsColumnName, attentionMaskColumnName, length);
        columns.Check();
        return new(tokenizer, columns);
    }
}
