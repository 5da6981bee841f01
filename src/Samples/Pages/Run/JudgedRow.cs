using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>A labelled row and what a model made of it.</summary>
/// <param name="Row">Texts and label as the file has them.</param>
/// <param name="Actual">The true answer in words.</param>
/// <param name="Predicted">The model's.</param>
/// <param name="Probability">Of the model's answer; of several labels, of the label that it was least sure of; NaN for numbers.</param>
/// <param name="Loss">How wrong it was: −ln of the probability of the true answer (the mean over labels), or the distance of the numbers.</param>
/// <param name="Right">Whether the answer is the true one; for numbers always.</param>
internal sealed record JudgedRow(TextFileRow Row, string Actual, string Predicted, double Probability, double Loss, bool Right)
{
    private const double Least = 1e-12;

    /// <summary>The true class, or the true value.</summary>
    public double ActualValue { get; init; }

    /// <summary>The predicted class, or the predicted value.</summary>
    public double PredictedValue { get; init; }

    /// <summary>The output to explain: that of the predicted class, or of the label that was most wrong.</summary>
    public int Output { get; init; }

    /// <summary>1 where a larger output means more of the answer given, −1 where it means less.</summary>
    public int Sign { get; init; } = 1;

    /// <summary>Reads scored rows.</summary>
    /// <param name="scored">What the model made of the rows, in their order.</param>
    /// <param name="kind">What was learnt.</param>
    /// <param name="classes">Names of classes or labels in the scores' order.</param>
    /// <param name="rows">The rows.</param>
    public static IReadOnlyList<JudgedRow> Read(IDataView scored, TaskKind kind, IReadOnlyList<string> classes, IReadOnlyList<TextFileRow> rows)
    {
        var schema = scored.Schema;
        string[] wanted = [.. new[] { "Label", "Score", "Probability", "PredictedLabel" }.Where(c => schema.GetColumnOrNull(c) is not null)];
        using var cursor = scored.GetRowCursor(wanted.Select(c => schema[c]));
        var read = kind switch
        {
            TaskKind.Multiclass => Multiclass(cursor, classes),
            TaskKind.Binary => Binary(cursor),
            TaskKind.MultiLabel => MultiLabel(cursor, classes),
            _ => Number(cursor),
        };
        var judged = new List<JudgedRow>(rows.Count);
        while (cursor.MoveNext())
            judged.Add(read(rows[judged.Count]));
        return judged;
    }

    private static Func<TextFileRow, JudgedRow> Multiclass(DataViewRow row, IReadOnlyList<string> classes)
    {
        var label = row.GetGetter<uint>(row.Schema["Label"]);
        var scores = row.GetGetter<VBuffer<float>>(row.Schema["Score"]);
        var predicted = row.GetGetter<ReadOnlyMemory<char>>(row.Schema["PredictedLabel"]);
        var index = classes.Select((name, i) => (name, i)).ToDictionary(c => c.name, c => c.i, StringComparer.Ordinal);
        return source =>
        {
            uint key = 0;
            VBuffer<float> values = default;
            ReadOnlyMemory<char> name = default;
            label(ref key);
            scores(ref values);
            predicted(ref name);
            int actual = (int)key - 1, answer = index[name.ToString()];
            return new(source, classes[actual], classes[answer], values.GetItemOrDefault(answer), -Math.Log(Math.Max(values.GetItemOrDefault(actual), Least)), actual == answer)
            {
                ActualValue = actual,
                PredictedValue = answer,
                Output = answer,
            };
        };
    }

    private static Func<TextFileRow, JudgedRow> Binary(DataViewRow row)
    {
        var label = row.GetGetter<bool>(row.Schema["Label"]);
        var probability = row.GetGetter<float>(row.Schema["Probability"]);
        var predicted = row.GetGetter<bool>(row.Schema["PredictedLabel"]);
        return source =>
        {
            bool actual = false, answer = false;
            float p = 0;
            label(ref actual);
            probability(ref p);
            predicted(ref answer);
            return new(source, Word(actual), Word(answer), answer ? p : 1 - p, -Math.Log(Math.Max(actual ? p : 1 - p, Least)), actual == answer)
            {
                ActualValue = actual ? 1 : 0,
                PredictedValue = answer ? 1 : 0,
                Sign = answer ? 1 : -1,
            };
        };

        static string Word(bool value) => value ? "true" : "false";
    }

    private static Func<TextFileRow, JudgedRow> MultiLabel(DataViewRow row, IReadOnlyList<string> classes)
    {
        var labels = row.GetGetter<VBuffer<float>>(row.Schema["Label"]);
        var probabilities = row.GetGetter<VBuffer<float>>(row.Schema["Probability"]);
        var predicted = row.GetGetter<VBuffer<bool>>(row.Schema["PredictedLabel"]);
        return source =>
        {
            VBuffer<float> actual = default, values = default;
            VBuffer<bool> answer = default;
            labels(ref actual);
            probabilities(ref values);
            predicted(ref answer);
            bool[] truth = [.. actual.DenseValues().Select(v => v == 1)], said = [.. answer.DenseValues()];
            double[] likely = [.. values.DenseValues().Select((p, l) => (double)(truth[l] ? p : 1 - p))];
            var sure = values.DenseValues().Select((p, l) => (double)(said[l] ? p : 1 - p)).Min();
            int worst = Array.IndexOf(likely, likely.Min());
            return new(source, Names(truth), Names(said), sure, likely.Average(p => -Math.Log(Math.Max(p, Least))), truth.SequenceEqual(said))
            {
                Output = worst,
                Sign = said[worst] ? 1 : -1,
            };
        };

        string Names(bool[] set) => string.Join(", ", classes.Where((_, l) => set[l])) is { Length: > 0 } names ? names : "none";
    }

    private static Func<TextFileRow, JudgedRow> Number(DataViewRow row)
    {
        var label = row.GetGetter<float>(row.Schema["Label"]);
        var score = row.GetGetter<float>(row.Schema["Score"]);
        return source =>
        {
            float actual = 0, value = 0;
            label(ref actual);
            score(ref value);
            return new(source, Inspection.Measure.Text(actual), Inspection.Measure.Text(value), double.NaN, Math.Abs(actual - value), true)
            {
                ActualValue = actual,
                PredictedValue = value,
            };
        };
    }
}
