using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>What <c>--json</c> writes. Keys stay the same from run to run; metrics that a task does not have are left out.</summary>
internal sealed record RunReport
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions MetricOptions = new(Options) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public required string Task { get; init; }

    /// <summary>The initialisation's name; for methods without LoRA the method's.</summary>
    public required string? Init { get; init; }

    public required int? Rank { get; init; }

    public required double? Alpha { get; init; }

    public required int? Epochs { get; init; }

    public required int? BestEpoch { get; init; }

    public required long? TrainableParameters { get; init; }

    public required long? TotalParameters { get; init; }

    public required double? TrainSamplesPerSecond { get; init; }

    [JsonIgnore]
    public required MetricSet Metrics { get; init; }

    public string ToJson()
    {
        var json = JsonSerializer.SerializeToNode(this, Options)!.AsObject();
        json["metrics"] = JsonSerializer.SerializeToNode(Metrics, MetricOptions);
        return json.ToJsonString(Options) + "\n";
    }

    public void Write(string path) => AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(ToJson())));
}
