using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Data.Files;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>One prediction: the label (or labels) in words, the confidence in a single one, and a number a class (or the one value).</summary>
internal readonly record struct Prediction(string Label, float Confidence, float[] Scores)
{
    /// <summary>What <c>--not-sure-below</c> puts in the label's place.</summary>
    public const string NotSure = "not sure";

    /// <summary>The same, with <see cref="NotSure"/> for a label whose probability is below a threshold.</summary>
    public Prediction Unless(double threshold) => Confidence < threshold ? this with { Label = NotSure } : this;
}

/// <summary>Reads scored rows in order and writes them.</summary>
internal static class PredictionWriter
{
    /// <summary>The predictions, one a row, as they are asked for.</summary>
    public static IEnumerable<Prediction> Read(IDataView scored, ModelFile file)
    {
        string[] wanted = file.Kind switch
        {
            TaskKind.Multiclass => ["Score", "PredictedLabel"],
            TaskKind.Binary or TaskKind.MultiLabel => ["Probability", "PredictedLabel"],
            _ => ["Score"],
        };
        using var cursor = scored.GetRowCursor(wanted.Select(name => scored.Schema[name]));
        var read = Reader(cursor, scored.Schema, file);
        while (cursor.MoveNext())
            yield return read();
    }

    /// <summary>Writes a header (in JSONL every row has the names) and a line a row, which is empty where the row was left out.</summary>
    /// <returns>The number of predictions.</returns>
    /// <exception cref="UsageException">No row was left, and <paramref name="mayBeEmpty"/> is false.</exception>
    public static long Write(TextWriter writer, DataFormat format, IEnumerable<Prediction> predictions, ModelFile file, SkippedLines skipped, bool mayBeEmpty = false)
    {
        long rows = 0, lines = 0;
        var probabilities = file.Classes.Select(c => $"Probability:{c}");
        string[] header = file.Kind switch
        {
            TaskKind.Multiclass => ["PredictedLabel", "Confidence", .. probabilities],
            TaskKind.MultiLabel => ["PredictedLabel", .. probabilities],
            TaskKind.Binary => ["PredictedLabel", "Confidence", "Probability"],
            _ => ["Score"],
        };
        var table = new RowWriter(writer, format, header);
        foreach (var prediction in predictions)
        {
            Empty();
            IEnumerable<object> scores = prediction.Scores.Cast<object>();
            table.Write([.. file.Kind switch
            {
                TaskKind.Regression => scores,
                TaskKind.MultiLabel => [prediction.Label, .. scores],
                _ => [prediction.Label, prediction.Confidence, .. scores],
            }]);
            rows++;
            lines++;
        }
        if (rows == 0 && skipped.Count > 0 && !mayBeEmpty)
            throw new UsageException($"--input: all {skipped.Count} lines are malformed; nothing was predicted. Check the columns, or leave out --skip-malformed to see what is wrong.");
        Empty();
        return rows;

        void Empty()
        {
            for (; skipped.Has(lines); lines++)
                table.WriteEmpty();
        }
    }

    private static Func<Prediction> Reader(DataViewRow row, DataViewSchema schema, ModelFile file)
    {
        switch (file.Kind)
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
            case TaskKind.MultiLabel:
                var probabilities = row.GetGetter<VBuffer<float>>(schema["Probability"]);
                var labels = row.GetGetter<VBuffer<bool>>(schema["PredictedLabel"]);
                return () =>
                {
                    VBuffer<float> values = default;
                    VBuffer<bool> predicted = default;
                    probabilities(ref values);
                    labels(ref predicted);
                    var names = predicted.DenseValues().Zip(file.Classes).Where(slot => slot.First).Select(slot => slot.Second);
                    // As sure as of the label that it is least sure of.
                    var least = values.DenseValues().Zip(predicted.DenseValues()).Min(slot => slot.Second ? slot.First : 1 - slot.First);
                    return new(string.Join(file.LabelDelimiter, names), least, [.. values.DenseValues()]);
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
}
