using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>Everything that decides a run's result. Two runs with equal configurations are the same run.</summary>
internal sealed record RunConfig
{
    public const double UsualGradientNorm = 1;

    /// <summary>The task's name, such as <c>cola</c>.</summary>
    public required string Task { get; init; }

    /// <summary>The base model: <c>mini</c>, a hub id, or a folder's last name, which is the same on every machine.</summary>
    public required string BaseModel { get; init; }

    /// <summary>SHA-256 of its weights, lower-case hexadecimal.</summary>
    public string BaseModelSha256 { get; init; } = "";

    /// <summary><c>lora</c>, or what is compared with it: <c>full</c>, <c>bitfit</c>, …</summary>
    public string Method { get; init; } = Methods.Lora;

    /// <summary>The contents of the saved models that the method fuses: their SHA-256, with + between them; null where it fuses none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? MethodSources { get; init; }

    /// <summary>The initialisation: its name and the settings that differ from the default, or <c>none</c> where the method has no adapters to initialise.</summary>
    public string Initialization { get; init; } = Methods.NoInitialization;

    /// <summary>All settings of the initialisation, defaults written out, so that a changed default is a different run.</summary>
    public JsonObject InitializationSettings { get; init; } = [];

    public int Rank { get; init; }

    public double Alpha { get; init; }

    // What came later is left out of the JSON where it has the value that runs had before: their names end in its hash.

    /// <summary>Ranks of particular layers, as <c>--rank-pattern</c> has them; null for one rank everywhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RankPattern { get; init; }

    public required double LearningRate { get; init; }

    public required int Seed { get; init; }

    public required int Epochs { get; init; }

    public int BatchSize { get; init; } = 32;

    public double WarmupRatio { get; init; } = 0.06;

    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Whether biases and norms decay too.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool DecayBiases { get; init; }

    /// <summary>The norm that gradients are clipped to, 0 for no clipping; null for <see cref="UsualGradientNorm"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? MaxGradientNorm { get; init; }

    /// <summary>The adapter that training starts from: the name of the run that made it, or a folder; null for a fresh one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Start { get; init; }

    /// <summary>Of the frozen base: <c>float32</c> or <c>bfloat16</c>.</summary>
    public string Precision { get; init; } = "float32";

    public int? MaxLength { get; init; }

    /// <summary>The first so many training rows only; null for all.</summary>
    public int? TrainRows { get; init; }

    /// <summary>The first so many dev rows only; null for all.</summary>
    public int? DevRows { get; init; }

    /// <summary>The run's name: readable, and made distinct by a hash of the whole configuration.</summary>
    public string Name()
    {
        var readable = string.Join('-', new[]
        {
            Task, Method, Initialization == Methods.NoInitialization ? "" : Initialization, Rank > 0 ? $"r{Rank}" : "",
            string.Create(CultureInfo.InvariantCulture, $"lr{LearningRate:0.#####e-0}"), $"s{Seed}",
        }.Where(part => part.Length > 0));
        var safe = new string([.. readable.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' ? c : '_')]);
        return $"{(safe.Length > 120 ? safe[..120] : safe)}-{Hash()[..12]}";
    }

    private string Hash() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(RunJson.Canonical(this))));

    public bool Equals(RunConfig? other) => other is not null && RunJson.Canonical(this) == RunJson.Canonical(other);

    public override int GetHashCode() => RunJson.Canonical(this).GetHashCode(StringComparison.Ordinal);
}
