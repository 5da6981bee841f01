using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>From texts to the rows of ids that a model scores, and from the rows' logits to the texts'.</summary>
/// <param name="Tokenizer">The base's tokenizer.</param>
/// <param name="MaxLength">Tokens a row at most.</param>
/// <param name="LongText">What is read of texts that are longer.</param>
internal sealed record TextEncoder(SubwordTokenizer Tokenizer, int MaxLength, LongText LongText)
{
    /// <summary>The logits of a text that says nothing; null where the model scores such texts as any other.</summary>
    public float[]? Empty { get; init; }

    /// <summary>A text's rows: one, or several windows, or none where <see cref="Empty"/> is the answer.</summary>
    public EncodedText[] Encode(TextPair text) => Empty is not null && text.IsBlank ? [] : Tokenizer.Encode(text.First, text.Second, MaxLength, LongText);

    /// <summary>A text's logits, from those of its rows: their mean.</summary>
    public float[] Combine(ReadOnlySpan<float[]> rows) => rows.IsEmpty ? (float[])Empty!.Clone() : TextDataset.Mean(rows);

    /// <summary>The texts' logits, from those of all their rows.</summary>
    /// <param name="encoded">What <see cref="Encode"/> gave for each text.</param>
    /// <param name="logits">Of all rows, in order.</param>
    public float[][] Combine(EncodedText[][] encoded, float[][] logits)
    {
        var result = new float[encoded.Length][];
        for (int i = 0, row = 0; i < result.Length; row += encoded[i++].Length)
            result[i] = Combine(logits.AsSpan(row, encoded[i].Length));
        return result;
    }

    /// <summary>All rows of all texts, in order.</summary>
    public static EncodedText[] Rows(EncodedText[][] encoded)
    {
        var rows = new EncodedText[encoded.Sum(t => t.Length)];
        int at = 0;
        foreach (var text in encoded)
        {
            text.CopyTo(rows, at);
            at += text.Length;
        }
        return rows;
    }
}
