using Microsoft.ML;
using Microsoft.ML.Data;

namespace SentimentSample;

/// <summary>A model that tells a friendly sentence from an unfriendly one: how to use it.</summary>
public partial class SentimentModel
{
    /// <summary>The model's input.</summary>
    public class ModelInput
    {
        [LoadColumn(0)]
        [ColumnName("Sentiment")]
        public string Sentiment { get; set; } = "";

        [LoadColumn(1)]
        [ColumnName("Text")]
        public string Text { get; set; } = "";
    }

    /// <summary>The model's output.</summary>
    public class ModelOutput
    {
        [ColumnName("PredictedLabel")]
        public string PredictedLabel { get; set; } = "";

        /// <summary>A probability a class, in the order of <see cref="GetLabels"/>.</summary>
        [ColumnName("Score")]
        public float[] Score { get; set; } = [];
    }

    private static readonly string MLNetModelPath = Path.Combine(AppContext.BaseDirectory, "SentimentModel.mlnet");

    /// <summary>Made with the first prediction. One engine serves one thread at a time; servers take a PredictionEnginePool.</summary>
    public static readonly Lazy<PredictionEngine<ModelInput, ModelOutput>> PredictEngine = new(CreatePredictEngine, isThreadSafe: true);

    /// <summary>Predicts one sentence.</summary>
    public static ModelOutput Predict(ModelInput input) => PredictEngine.Value.Predict(input);

    /// <summary>Every class with its probability, the most probable first.</summary>
    public static IOrderedEnumerable<KeyValuePair<string, float>> PredictAllLabels(ModelInput input) =>
        GetSortedScoresWithLabels(Predict(input));

    /// <summary>The classes of a prediction with their probabilities, the most probable first.</summary>
    public static IOrderedEnumerable<KeyValuePair<string, float>> GetSortedScoresWithLabels(ModelOutput result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return GetLabels().Zip(result.Score, KeyValuePair.Create).OrderByDescending(c => c.Value);
    }

    /// <summary>The classes, in the order of <see cref="ModelOutput.Score"/>.</summary>
    public static IEnumerable<string> GetLabels()
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        PredictEngine.Value.OutputSchema["Score"].GetSlotNames(ref names);
        return names.DenseValues().Select(name => name.ToString());
    }

    private static PredictionEngine<ModelInput, ModelOutput> CreatePredictEngine()
    {
        var mlContext = new MLContext();
        var mlModel = mlContext.Model.Load(MLNetModelPath, out _);
        return mlContext.Model.CreatePredictionEngine<ModelInput, ModelOutput>(mlModel);
    }
}
