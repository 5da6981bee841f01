using Microsoft.ML.LoraInit.Data;

namespace Microsoft.ML.LoraInit;

/// <summary>The columns that an <see cref="AdapterLibraryTransformer"/> reads and writes.</summary>
public sealed record AdapterLibraryColumns
{
    /// <summary>The text. Default <c>Text</c>.</summary>
    public string Text { get; init; } = "Text";

    /// <summary>The second text of a pair, read by adapters of pairs alone; null (the default) where there is none.</summary>
    public string? Text2 { get; init; }

    /// <summary>The adapter's name, a text. Default <c>Adapter</c>.</summary>
    public string Adapter { get; init; } = "Adapter";

    /// <summary>Written: <see cref="AdapterPrediction.PredictedLabel"/>, a text. Default <c>PredictedLabel</c>.</summary>
    public string PredictedLabel { get; init; } = "PredictedLabel";

    /// <summary>Written: <see cref="AdapterPrediction.Score"/>, a vector of as many numbers as the row's adapter has classes. Default <c>Score</c>.</summary>
    public string Score { get; init; } = "Score";

    /// <summary>Written: <see cref="AdapterPrediction.Probability"/>, a number. Default <c>Probability</c>.</summary>
    public string Probability { get; init; } = "Probability";

    /// <exception cref="ArgumentException">A name is empty, or two are the same.</exception>
    internal AdapterLibraryColumns Checked()
    {
        string[] names = [Text, Adapter, PredictedLabel, Score, Probability, .. Text2 is null ? Array.Empty<string>() : [Text2]];
        if (names.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("A column's name is empty: name the text, adapter, predicted label, score and probability columns, or leave their defaults.");
        if (names.GroupBy(n => n, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"The column name '{twice.Key}' is given to {twice.Count()} columns: name each once.");
        return this;
    }

    /// <summary>The text columns, as other models name them.</summary>
    internal TextColumns Texts => new(Text, Text2);
}
