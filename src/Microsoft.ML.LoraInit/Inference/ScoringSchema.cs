using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>How a model's columns follow those of its input.</summary>
/// <exception cref="ArgumentException">A text column is missing or not text.</exception>
internal sealed class ScoringSchema(DataViewSchema input, TextColumns texts, ScoreColumns scores)
    : RowSchema<TextPair, float[]>(input, Texts(input, texts), scores.Create(input))
{
    public override Func<TextPair> Reader(DataViewRow row)
    {
        var first = row.GetGetter<ReadOnlyMemory<char>>(Input[texts.Text]);
        var second = texts.Text2 is null ? null : row.GetGetter<ReadOnlyMemory<char>>(Input[texts.Text2]);
        ReadOnlyMemory<char> text = default;
        return () =>
        {
            first(ref text);
            var a = text.ToString();
            if (second is null)
                return new(a, null);
            second(ref text);
            return new(a, text.ToString());
        };
    }

    public override int Characters(TextPair row) => row.Characters;

    protected override Delegate Getter(int index, Func<float[]> current) => scores.Getter(index, current);

    private static DataViewSchema.Column[] Texts(DataViewSchema input, TextColumns texts)
    {
        texts.Check(input, LabelKind.Key);
        return texts.Text2 is null ? [input[texts.Text]] : [input[texts.Text], input[texts.Text2]];
    }
}
