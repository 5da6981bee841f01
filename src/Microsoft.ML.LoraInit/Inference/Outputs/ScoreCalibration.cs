using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>What stands between a trained model's logits and the scores that users see.</summary>
/// <param name="Temperature">What logits are divided by (arXiv 1706.04599): 1 for none. The predicted label is taken before it.</param>
/// <param name="Empty">The logits of an empty text, before the temperature; null where the model itself answers, as in version 0.1.0.</param>
internal sealed record ScoreCalibration(double Temperature, float[]? Empty)
{
    public const double LeastTemperature = 0.05, MostTemperature = 20;

    private const string TemperatureKey = "temperature", EmptyKey = "emptyText";

    /// <summary>As in version 0.1.0.</summary>
    public static ScoreCalibration None { get; } = new(1, null);

    /// <summary>The logits that probabilities are made of.</summary>
    public float[] Apply(float[] logits) => Temperature == 1 ? logits : Array.ConvertAll(logits, z => (float)(z / Temperature));

    /// <summary>One logit.</summary>
    public float Apply(float logit) => Temperature == 1 ? logit : (float)(logit / Temperature);

    /// <summary>Adds what is not as in version 0.1.0.</summary>
    public void AddTo(JsonObject json)
    {
        if (Temperature != 1)
            json[TemperatureKey] = Temperature;
        if (Empty is not null)
            json[EmptyKey] = new JsonArray([.. Empty.Select(z => (JsonNode)z)]);
    }

    /// <exception cref="FormatException">A value is none that <see cref="AddTo"/> writes.</exception>
    public static ScoreCalibration Read(JsonObject json, int outputs)
    {
        var temperature = (double?)json[TemperatureKey] ?? 1;
        if (!(temperature is >= LeastTemperature and <= MostTemperature))
            throw new FormatException($"The temperature is {temperature}, and goes from {LeastTemperature} to {MostTemperature}.");
        var empty = json[EmptyKey] is null ? null : json[EmptyKey]!.AsArray().Select(z => (float?)z ?? float.NaN).ToArray();
        return empty is null || (empty.Length == outputs && empty.All(float.IsFinite)) ? new(temperature, empty)
            : throw new FormatException($"The answer to an empty text has {empty.Length} numbers for {outputs} outputs, or one that is not finite.");
    }
}
