using System.Globalization;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue.Reading;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>One prediction: the label in words, the confidence in it, and a number a class (or the one value).</summary>
internal readonly record struct Prediction(string Label, float Confidence, float[] Scores);

/// <summary>Reads scored rows in order and writes them as tab-separated text.</summary>
internal static class PredictionWriter
{
    /// <summary>The predictions, one a row, as they are asked for.</summary>
    public static IEnumerable<Prediction> Read(IDataView scored, TaskKind kind)
    {
        string[] wanted = kind switch
        {
            TaskKind.Multiclass => ["Score", "PredictedLabel"],
            TaskKind.Binary => ["Probability", "PredictedLabel"],
            _ => ["Score"],
        };
        using var cursor = scored.GetRowCursor(wanted.Select(name => scored.Schema[name]));
        var read = Reader(cursor, scored.Schema, kind);
        while (cursor.MoveNext())
            yield return read();
    }

    /// <summary>Writes a header and a line a row; nothing appears at <paramref name="path"/> before all of it is there.</summary>
    /// <returns>The number of rows.</returns>
    public static long Write(string path, IEnumerable<Prediction> predictions, TaskKind kind, IReadOnlyList<string> classes)
    {
        long rows = 0;
        AtomicFile.Write(path, stream =>
        {
            using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
            writer.WriteLine(kind switch
            {
                TaskKind.Multiclass => string.Join('\t', ["PredictedLabel", "Confidence", .. classes.Select(c => $"Probability:{c}")]),
                TaskKind.Binary => "PredictedLabel\tConfidence\tProbability",
                _ => "Score",
            });
            foreach (var prediction in predictions)
            {
                var scores = string.Join('\t', prediction.Scores.Select(Text));
                writer.WriteLine(kind == TaskKind.Regression ? scores : $"{prediction.Label}\t{Text(prediction.Confidence)}\t{scores}");
                rows++;
            }
        });
        return rows;
    }

    private static Func<Prediction> Reader(DataViewRow row, DataViewSchema schema, TaskKind kind)
    {
        switch (kind)
        {
            case TaskKind.Multiclass:
                var scores = row.GetGetter<VBuffer<float>>(schema["Score"]);
                var label = row.GetGetter<ReadOnlyMemory<char>>(schema["PredictedLabel"]);
                return () =>
                {
                    VBuffer<float> values = default;
                    ReadOnlyMemory<char> text = default;
                    scores(ref values);
                    label(ref text);
                    var dense = values.DenseValues().ToArray();
                    return new(text.ToString(), dense.Max(), dense);
                };
            case TaskKind.Binary:
                var probability = row.GetGetter<float>(schema["Probability"]);
                var answer = row.GetGetter<bool>(schema["PredictedLabel"]);
                return () =>
                {
                    float p = 0;
                    bool yes = false;
                    probability(ref p);
                    answer(ref yes);
                    return new(yes ? "true" : "false", yes ? p : 1 - p, [p]);
                };
            default:
                var score = row.GetGetter<float>(schema["Score"]);
                return () =>
                {
                    float value = 0;
                    score(ref value);
                    return new("", 0, [value]);
                };
        }
    }

    private static string Text(float value) => value.ToString("R", CultureInfo.InvariantCulture);
}
