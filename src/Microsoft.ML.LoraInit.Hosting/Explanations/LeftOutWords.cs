using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Hosting.Serving;

namespace Microsoft.ML.LoraInit.Hosting.Explanations;

/// <summary>
/// What a word does to each score: the score less the score of the text without the word (arXiv 1612.08220). Needs scores alone, so it
/// works whatever computes them.
/// </summary>
internal static partial class LeftOutWords
{
    private const double LeastProbability = 1e-12;

    public static PredictionExplanation Explain(MLContext ml, ITextTransformer model, string text, string? text2)
    {
        (Match Word, bool IsSecond)[] words = [.. Words().Matches(text).Select(w => (w, false)), .. text2 is null ? [] : Words().Matches(text2).Select(w => (w, true))];
        Row[] rows = [new(text, text2), .. words.Select(w => w.IsSecond ? new Row(text, Without(text2!, w.Word)) : new Row(Without(text, w.Word), text2))];
        var (outputs, scores) = Scores(model.Transform(View(ml, model, rows)));
        return new(outputs,
            [.. words.Select((w, i) => new WordAttribution(w.Word.Value, w.Word.Index, w.Word.Length, w.IsSecond, [.. scores[0].Zip(scores[i + 1], (all, without) => all - without)]))],
            WordAttributionMethod.LeftOut);
    }

    private static IDataView View(MLContext ml, ITextTransformer model, Row[] rows)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Text)].ColumnName = model.TextColumnName;
        if (model.Text2ColumnName is { } second)
            schema[nameof(Row.Text2)].ColumnName = second;
        else
            schema.Remove(schema[nameof(Row.Text2)]);
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static (IReadOnlyList<string> Outputs, double[][] Scores) Scores(IDataView scored)
    {
        var column = scored.Schema.Last(Pipeline.IsScore);
        // Of several classes the column has probabilities, of everything else it has logits or the value.
        bool probabilities = Pipeline.Annotation(column, "ScoreColumnKind") == "MulticlassClassification";
        if (column.Type is not VectorDataViewType)
        {
            string name = Pipeline.Annotation(column, "ScoreColumnKind") == "BinaryClassification" ? "true" : "Score";
            return ([name], [.. scored.GetColumn<float>(column).Select(v => (double[])[v])]);
        }
        var scores = scored.GetColumn<float[]>(column).Select(s => Array.ConvertAll(s, v => probabilities ? Math.Log(Math.Max(v, LeastProbability)) : v)).ToArray();
        var names = Pipeline.OutputNames(scored.Schema);
        return (names.Count > 0 ? names : [.. Enumerable.Range(0, scores[0].Length).Select(i => i.ToString(CultureInfo.InvariantCulture))], scores);
    }

    private static string Without(string text, Match word) => text.Remove(word.Index, word.Length);

    /// <summary>Runs of letters, digits and what joins them, or of anything else that is no space.</summary>
    [GeneratedRegex(@"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*|[^\s\p{L}\p{M}\p{N}]+", RegexOptions.CultureInvariant)]
    private static partial Regex Words();

    private sealed class Row(string text, string? text2)
    {
        public string Text { get; } = text;

        public string Text2 { get; } = text2 ?? "";
    }
}
