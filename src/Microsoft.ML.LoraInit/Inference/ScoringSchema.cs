using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>How a model's columns follow those of its input: output columns 0 … input count − 1 are the input's.</summary>
internal sealed class ScoringSchema
{
    private readonly DataViewSchema.Column[] _texts;

    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
    public ScoringSchema(DataViewSchema input, TextColumns texts, ScoreColumns scores)
    {
        texts.Check(input, LabelKind.Key);
        Input = input;
        Scores = scores;
        _texts = texts.Text2 is null ? [input[texts.Text]] : [input[texts.Text], input[texts.Text2]];
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        foreach (var column in scores.Create(input))
            builder.AddColumn(column.Name, column.Type, column.Annotations);
        Output = builder.ToSchema();
    }

    public DataViewSchema Input { get; }

    public DataViewSchema Output { get; }

    public ScoreColumns Scores { get; }

    public bool IsScore(int outputIndex) => outputIndex >= Input.Count;

    /// <summary>The index within <see cref="Scores"/>.</summary>
    public int ScoreIndex(int outputIndex) => outputIndex - Input.Count;

    /// <summary>The input columns needed for these output columns.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(IEnumerable<DataViewSchema.Column> outputs)
    {
        var indices = new SortedSet<int>();
        foreach (var column in outputs)
            if (IsScore(column.Index))
                indices.UnionWith(_texts.Select(t => t.Index));
            else
                indices.Add(column.Index);
        return indices.Select(i => Input[i]);
    }

    /// <summary>Reads a row's texts through getters of its own.</summary>
    public Func<TextPair> TextReader(DataViewRow row)
    {
        var first = row.GetGetter<ReadOnlyMemory<char>>(_texts[0]);
        var second = _texts.Length == 1 ? null : row.GetGetter<ReadOnlyMemory<char>>(_texts[1]);
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
}
