using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Embeddings;

/// <summary>How the column of vectors follows those of its input.</summary>
/// <exception cref="ArgumentOutOfRangeException">The text column is missing or not text.</exception>
internal sealed class EmbeddingSchema(DataViewSchema input, EmbeddingColumns columns, int width)
    : RowSchema<TextPair, float[]>(input, Texts(input, columns), [new(columns.Output, new VectorDataViewType(NumberDataViewType.Single, width))])
{
    public override Func<TextPair> Reader(DataViewRow row)
    {
        var getter = row.GetGetter<ReadOnlyMemory<char>>(Input[columns.Text]);
        ReadOnlyMemory<char> text = default;
        return () =>
        {
            getter(ref text);
            return new(string.Concat(columns.Prefix, text.Span), null);
        };
    }

    public override int Characters(TextPair row) => row.Characters;

    /// <summary>Makes a vector 1 long; one of zeros stays.</summary>
    public static void Normalize(Span<float> vector)
    {
        double sum = 0;
        foreach (float value in vector)
            sum += (double)value * value;
        if (sum == 0)
            return;
        float scale = (float)(1 / Math.Sqrt(sum));
        foreach (ref float value in vector)
            value *= scale;
    }

    protected override Delegate Getter(int index, Func<float[]> current) => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
    {
        var editor = VBufferEditor.Create(ref value, width);
        current().CopyTo(editor.Values);
        if (columns.Normalize)
            Normalize(editor.Values);
        value = editor.Commit();
    });

    private static DataViewSchema.Column[] Texts(DataViewSchema input, EmbeddingColumns columns)
    {
        new TextColumns(columns.Text, null).Check(input, LabelKind.Key);
        return [input[columns.Text]];
    }
}
