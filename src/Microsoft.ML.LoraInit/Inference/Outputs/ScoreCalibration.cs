using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>What stands between a trained model's logits and the scores that users see.</summary>
/// <param name="Temperature">What logits are divided by (arXiv 1706.04599): 1 for none. The predicted label is taken before it.</param>
/// <param name="Empty">The logits of an empty text, before the temperature; null where the model itself answers, as in version 0.1.0.</param>
internal sealed record ScoreCalibration(double Temperature, float[]? Empty)
{
    public const double LeastTemperature = 0.05, MostTemperature = 20;

    private const string TemperatureKey = "temperature", EmptyKey = "emptyText", BendKey = "temperatureBend";

    /// <summary>Takes the place of <see cref="Temperature"/>, which readers that know one number only still get; null for none.</summary>
    public TemperatureBend? Bend { get; init; }

    /// <summary>As in version 0.1.0.</summary>
    public static ScoreCalibration None { get; } = new(1, null);

    /// <summary>What users see of a row's logits.</summary>
    public float[] Scores(TextTask task, float[] logits) => task.Scores(Bend is null ? Apply(logits) : Apply(task.Distances(logits)));

    /// <summary>The logits that probabilities are made of; with a bend, of <see cref="TextTask.Distances"/>.</summary>
    public float[] Apply(float[] logits) => Temperature == 1 && Bend is null ? logits : Array.ConvertAll(logits, Apply);

    /// <summary>One logit.</summary>
    public float Apply(float logit) => Bend is not null ? (float)Bend.Apply(logit) : Temperature == 1 ? logit : (float)(logit / Temperature);

    /// <summary>The same with the answer to an empty text whose scores are those of <paramref name="logits"/> as they stand.</summary>
    public ScoreCalibration WithEmpty(TextTask task, float[] logits) =>
        this with { Empty = Bend is null ? Array.ConvertAll(logits, z => (float)(z * Temperature)) : Array.ConvertAll(task.Distances(logits), z => (float)Bend.Invert(z)) };

    /// <summary>Adds what is not as in version 0.1.0.</summary>
    public void AddTo(JsonObject json)
    {
        if (Temperature != 1)
            json[TemperatureKey] = Temperature;
        if (Bend is not null)
            json[BendKey] = new JsonArray(Bend.Near, Bend.At, Bend.Far);
        if (Empty is not null)
            json[EmptyKey] = new JsonArray([.. Empty.Select(z => (JsonNode)z)]);
    }

    /// <exception cref="FormatException">A value is none that <see cref="AddTo"/> writes.</exception>
    public static ScoreCalibration Read(JsonObject json, int outputs)
    {
        var temperature = Checked((double?)json[TemperatureKey] ?? 1);
        var empty = json[EmptyKey] is null ? null : json[EmptyKey]!.AsArray().Select(z => (float?)z ?? float.NaN).ToArray();
        return empty is null || (empty.Length == outputs && empty.All(float.IsFinite)) ? new(temperature, empty) { Bend = ReadBend(json[BendKey]) }
            : throw new FormatException($"The answer to an empty text has {empty.Length} numbers for {outputs} outputs, or one that is not finite.");
    }

    private static TemperatureBend? ReadBend(JsonNode? json)
    {
        if (json is null)
            return null;
        double[] numbers = [.. json.AsArray().Select(n => (double?)n ?? double.NaN)];
        return numbers is [var near, > 0 and < double.PositiveInfinity and var at, var far] ? new(Checked(near), at, Checked(far))
            : throw new FormatException($"The bend of the temperature is [{string.Join(", ", numbers)}]; three numbers are expected, of which the second is above 0.");
    }

    private static double Checked(double temperature) => temperature is >= LeastTemperature and <= MostTemperature ? temperature
        : throw new FormatException($"The temperature is {temperature}, and goes from {LeastTemperature} to {MostTemperature}.");
}
