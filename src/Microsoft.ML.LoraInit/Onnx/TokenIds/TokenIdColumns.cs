using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Onnx.TokenIds;

/// <summary>The columns of a tokenising step, and the rows' way through it. ML.NET's custom mapping moves the rows.</summary>
/// <param name="Text">The text.</param>
/// <param name="Text2">The second text of a pair, or null.</param>
/// <param name="InputIds">Written: the ids.</param>
/// <param name="AttentionMask">Written: 1 on ids, 0 on padding.</param>
/// <param name="Length">How long every row is made, or null for as long as its text is.</param>
internal sealed record TokenIdColumns(string Text, string? Text2, string InputIds, string AttentionMask, int? Length)
{
    /// <exception cref="ArgumentException">A name is empty, or two are equal.</exception>
    public void Check()
    {
        string[] names = [Text, Text2 ?? "second text", InputIds, AttentionMask];
        if (names.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("A column name is empty.");
        if (names.Distinct(StringComparer.Ordinal).Count() != names.Length)
            throw new ArgumentException($"The columns must have different names: {string.Join(", ", names.Select(n => $"'{n}'"))}.");
    }

    /// <summary>The step that reads and writes these columns.</summary>
    public ITransformer Mapping(RobertaTextTokenizer tokenizer)
    {
        var output = SchemaDefinition.Create(typeof(Ids));
        var type = Length is { } length ? new VectorDataViewType(NumberDataViewType.Int64, length) : new VectorDataViewType(NumberDataViewType.Int64);
        foreach (var (member, column) in new[] { (nameof(Ids.InputIds), InputIds), (nameof(Ids.AttentionMask), AttentionMask) })
        {
            // In this order: a column is found by its name.
            output[member].ColumnType = type;
            output[member].ColumnName = column;
        }
        return Text2 is null
            ? Fitted(new One(), (row, ids) => Encode(tokenizer, row.First, null, ids), output, (nameof(One.First), Text))
            : Fitted(new Two(), (row, ids) => Encode(tokenizer, row.First, row.Second, ids), output, (nameof(Two.First), Text), (nameof(Two.Second), Text2));
    }

    private void Encode(RobertaTextTokenizer tokenizer, string text, string? text2, Ids row)
    {
        var ids = tokenizer.Encode(text, text2, Math.Min(Length ?? int.MaxValue, tokenizer.MaxLength));
        int length = Length ?? ids.Length;
        row.InputIds = [.. tokenizer.Fill(ids, length)];
        row.AttentionMask = [.. RobertaTextTokenizer.Mask(ids.Length, length)];
    }

    private static ITransformer Fitted<TRow>(TRow example, Action<TRow, Ids> map, SchemaDefinition output, params (string Member, string Column)[] texts)
        where TRow : class, new()
    {
        var ml = new MLContext();
        var input = SchemaDefinition.Create(typeof(TRow));
        foreach (var (member, column) in texts)
            input[member].ColumnName = column;
        return ml.Transforms.CustomMapping(map, null, input, output).Fit(ml.Data.LoadFromEnumerable([example], input));
    }


    internal sealed class One
    {
        public string First { get; set; } = "";
    }

    internal sealed class Two
    {
        public string First { get; set; } = "";

        public string Second { get; set; } = "";
    }

    internal sealed class Ids
    {
        public long[] InputIds { get; set; } = [];

        public long[] AttentionMask { get; set; } = [];
    }
}
