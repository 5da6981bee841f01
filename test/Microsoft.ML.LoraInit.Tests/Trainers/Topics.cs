using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>Made-up rows on three topics, easy to tell apart, and pipelines over them that train in seconds.</summary>
internal static class Topics
{
    private static readonly (string Name, string[] Subjects, string[] Acts)[] All =
    [
        ("food", ["The soup", "A fresh bread", "The cook", "This cheese", "The spicy rice"], ["tasted of garlic and butter", "was baked in the kitchen", "needs more salt", "smells of onions", "was served for dinner"]),
        ("sport", ["The striker", "Our team", "The referee", "A young runner", "The coach"], ["scored in the last minute", "won the league match", "trained for the race", "lost the final game", "kicked the ball"]),
        ("weather", ["The storm", "Heavy rain", "A cold wind", "The morning fog", "Bright sun"], ["came down from the mountains", "will last until Sunday", "covered the whole coast", "brought snow and ice", "melted the frost"]),
    ];

    public static IReadOnlyList<Row> Rows { get; } =
    [
        .. from s in Enumerable.Range(0, 5)
           from a in Enumerable.Range(0, 5)
           from t in Enumerable.Range(0, 3)
           let topic = All[t]
           select new Row
           {
               Text = $"{topic.Subjects[s]} {topic.Acts[a]}.",
               Text2 = $"It is about {All[(t + s) % 3].Name}.",
               Label = topic.Name,
               IsSport = t == 1,
               Value = t + (0.1f * a),
               Weight = 1 + (s % 2),
               Number = (s * 15) + (a * 3) + t,
           },
    ];

    public static MLContext Context() => new(seed: 1);

    public static IDataView View(MLContext ml, IEnumerable<Row>? rows = null) => ml.Data.LoadFromEnumerable(rows ?? Rows);

    public static LoraTextClassificationTrainer.Options Options(Action<LoraTextClassificationTrainer.Options>? change = null) =>
        With(new LoraTextClassificationTrainer.Options(), change);

    public static LoraBinaryTextClassificationTrainer.Options Binary(Action<LoraBinaryTextClassificationTrainer.Options>? change = null)
    {
        var options = With(new LoraBinaryTextClassificationTrainer.Options(), change);
        options.LabelColumnName = nameof(Row.IsSport);
        return options;
    }

    public static LoraTextRegressionTrainer.Options Regression(Action<LoraTextRegressionTrainer.Options>? change = null)
    {
        var options = With(new LoraTextRegressionTrainer.Options(), change);
        options.LabelColumnName = nameof(Row.Value);
        return options;
    }

    /// <summary>MapValueToKey → trainer → MapKeyToValue, as users write it.</summary>
    public static EstimatorChain<KeyToValueMappingTransformer> Pipeline(MLContext ml, LoraTextClassificationTrainer.Options options) =>
        ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(options))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));

    /// <summary>What an estimator sees of a view's schema; ML.NET makes it by an internal method.</summary>
    public static SchemaShape Shape(IDataView view) => (SchemaShape)typeof(SchemaShape)
        .GetMethod("Create", BindingFlags.NonPublic | BindingFlags.Static)!.Invoke(null, [view.Schema])!;

    /// <summary>A file of text, second text and label, without header.</summary>
    public static string WriteTsv(string folder)
    {
        var path = Path.Combine(folder, "rows.tsv");
        File.WriteAllLines(path, Rows.Select(r => $"{r.Text}\t{r.Text2}\t{r.Label}"));
        return path;
    }

    private static T With<T>(T options, Action<T>? change)
        where T : LoraTrainerOptions
    {
        options.MaxEpochs = 2;
        options.BatchSize = 8;
        options.InitialLearningRate = 5e-3;
        change?.Invoke(options);
        return options;
    }

    internal sealed class Row
    {
        [LoadColumn(0)]
        public string Text { get; set; } = "";

        [LoadColumn(1)]
        public string Text2 { get; set; } = "";

        [LoadColumn(2)]
        public string Label { get; set; } = "";

        public bool IsSport { get; set; }

        public float Value { get; set; }

        public float Weight { get; set; }

        public int Number { get; set; }
    }

    internal sealed class Prediction
    {
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }
}
