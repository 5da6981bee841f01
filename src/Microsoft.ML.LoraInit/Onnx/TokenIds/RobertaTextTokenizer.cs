using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A base model's tokenizer on its own, whatever its kind (RoBERTa's, XLM-RoBERTa's, CamemBERT's): texts to the ids that a model exported with <c>SaveOnnxModel</c> takes. They are the ids
/// that the trainers and transformers of this library use. In a pipeline: <c>ml.Transforms.Text.RobertaTokenIds</c>.
/// Safe to use from several threads at once.
/// </summary>
public sealed class RobertaTextTokenizer
{
    /// <summary>A pair's four special tokens and one of text.</summary>
    internal const int LeastLength = 5;

    private readonly SubwordTokenizer _tokenizer;

    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    internal RobertaTextTokenizer(TokenizerFiles files, int? maxLength, LongText? longText = null)
    {
        LongText = longText ?? LongText.Truncate;
        Files = files;
        var config = RobertaConfigReader.Parse(files.Config, CheckpointNames.Config);
        _tokenizer = files.Tokenizer(config);
        MaxLength = maxLength ?? config.MaxLength;
        PadTokenId = config.PadTokenId;
    }

    /// <summary>The most ids of a row, special tokens included; what is longer is cut.</summary>
    public int MaxLength { get; }

    /// <summary>What is read of a text that is longer.</summary>
    public LongText LongText { get; }

    /// <summary>The id that fills rows up; the mask is 0 there.</summary>
    public int PadTokenId { get; }

    internal TokenizerFiles Files { get; }

    /// <summary>The tokenizer of a trained model, with the maximum length that it scores with.</summary>
    /// <exception cref="InvalidDataException">The base is no longer the one that the model was trained on.</exception>
    public static RobertaTextTokenizer Of(LoraTextTransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var files = model.Model.OpenBase();
        return new(TokenizerFiles.Read(files, model.Model.ModelSettings.Tokenizer), model.Model.ModelSettings.MaxLength, model.Model.ModelSettings.LongText);
    }

    /// <summary>The tokenizer of a base model, which may have to be downloaded.</summary>
    /// <param name="checkpoint">The base model.</param>
    /// <param name="maxLength">The most ids of a row, special tokens included, at least 5; null for what the base model takes.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxLength"/> is below 5 or more than the base model takes.</exception>
    public static RobertaTextTokenizer Of(RobertaCheckpoint checkpoint, int? maxLength = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        using var files = checkpoint.Open(null, CancellationToken.None);
        if (maxLength < LeastLength || maxLength > files.Config.MaxLength)
            throw new ArgumentOutOfRangeException(nameof(maxLength), maxLength, $"The maximum length must be from {LeastLength} to {files.Config.MaxLength} tokens.");
        return new(TokenizerFiles.Read(files, files.OpenTokenizer().Rule), maxLength);
    }

    /// <summary>The ids of a text or pair, without padding: <c>&lt;s&gt; A &lt;/s&gt;</c> or <c>&lt;s&gt; A &lt;/s&gt;&lt;/s&gt; B &lt;/s&gt;</c>.</summary>
    /// <param name="text">Any text, also empty.</param>
    /// <param name="text2">The second text of a pair, or null.</param>
    /// <returns>At most <see cref="MaxLength"/> ids. Of what is too long they are what <see cref="LongText"/> says; with windows the first of them.</returns>
    public long[] Encode(string text, string? text2 = null) => Encode(text, text2, MaxLength);

    /// <summary>
    /// A text's rows, without padding: one, or with <see cref="LongTextKind.Windows"/> as many as a long text has windows. The mean of
    /// their logits is the text's.
    /// </summary>
    /// <param name="text">Any text, also empty.</param>
    /// <param name="text2">The second text of a pair, or null.</param>
    public IReadOnlyList<long[]> EncodeWindows(string text, string? text2 = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. _tokenizer.Encode(text, text2, MaxLength, LongText).Select(row => Array.ConvertAll(row.Ids, id => (long)id))];
    }

    /// <summary>Whether a part of a text is in none of its rows.</summary>
    /// <param name="text">The text.</param>
    /// <param name="text2">The second text of a pair, or null.</param>
    public bool IsCut(string text, string? text2 = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _tokenizer.Encode(text, text2, MaxLength, LongText).Any(row => row.IsCut);
    }

    /// <summary>Ids for a runtime that takes a batch: every row filled up to the longest.</summary>
    /// <param name="texts">The rows.</param>
    /// <param name="texts2">The second texts of pairs, as many as <paramref name="texts"/>; or null.</param>
    /// <returns>Row after row, <c>InputIds</c> and <c>AttentionMask</c> (1 on ids, 0 on padding) of [rows, <c>Length</c>] each.</returns>
    /// <exception cref="ArgumentException">There is no row, or the second texts are not as many as the first.</exception>
    public (long[] InputIds, long[] AttentionMask, int Length) EncodeBatch(IReadOnlyList<string> texts, IReadOnlyList<string>? texts2 = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0)
            throw new ArgumentException("There is no text to encode.", nameof(texts));
        if (texts2 is not null && texts2.Count != texts.Count)
            throw new ArgumentException($"There are {texts2.Count} second texts for {texts.Count} texts.", nameof(texts2));
        var rows = texts.Select((text, i) => Encode(text, texts2?[i])).ToArray();
        int length = rows.Max(r => r.Length);
        return ([.. rows.SelectMany(r => Fill(r, length))], [.. rows.SelectMany(r => Mask(r.Length, length))], length);
    }

    internal long[] Encode(string text, string? text2, int maxLength) =>
        Array.ConvertAll(_tokenizer.Encode(text, text2, maxLength, LongText)[0].Ids, id => (long)id);

    /// <summary>The ids, then padding up to a length.</summary>
    internal IEnumerable<long> Fill(long[] ids, int length) => ids.Concat(Enumerable.Repeat((long)PadTokenId, length - ids.Length));

    /// <summary>A mask that goes with <see cref="Fill"/>.</summary>
    internal static IEnumerable<long> Mask(int ids, int length) => Enumerable.Repeat(1L, ids).Concat(Enumerable.Repeat(0L, length - ids));
}
