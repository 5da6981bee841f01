using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit;

/// <summary>What <see cref="InitializationInspector"/> found. Can be written and read by System.Text.Json as it is.</summary>
public sealed record InspectionReport
{
    /// <summary>Where the base model came from: <c>mini</c>, a hub name, or a folder's full path.</summary>
    public required string BaseModel { get; init; }

    /// <summary>SHA-256 of its weights file, lower-case hexadecimal.</summary>
    public required string BaseSha256 { get; init; }

    /// <summary>The initialisation: its name and settings.</summary>
    public required JsonObject Initialization { get; init; }

    /// <summary>The method that made adapters of it: its name and settings; null in reports of 0.1.0.</summary>
    public JsonObject? Method { get; init; }

    /// <summary>What it means to do to the model's function.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter<InitializationFamily>))]
    public required InitializationFamily Family { get; init; }

    /// <summary>The initialisation that subspaces were compared with, or null.</summary>
    public JsonObject? Against { get; init; }

    /// <summary>Where it was computed, such as <c>cpu</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Type of the base weights, such as <c>Float32</c>.</summary>
    public required string Precision { get; init; }

    /// <summary>Seed of every draw.</summary>
    public required int Seed { get; init; }

    /// <summary>Training rows given; 0 without data.</summary>
    public required int DataRows { get; init; }

    /// <summary>Rows that outputs and gradients were taken on: of the data, or of random tokens where there is none.</summary>
    public required int ProbeRows { get; init; }

    /// <summary>The adapted layers in the model's order.</summary>
    public required IReadOnlyList<LayerInspection> Layers { get; init; }

    /// <summary>All layers together.</summary>
    public required AdapterMeasures Total { get; init; }

    /// <summary>The model's outputs against those of the base with the same head.</summary>
    public required OutputChange OutputChange { get; init; }

    /// <summary>
    /// How far the base alone is from fp32 in the precision it is held in: ‖ΔH‖ / ‖H‖ of the last hidden states on the probe rows, which is
    /// the distance to fp32 of every start that leaves the function as it is, such as kaiming. Null where the base is held in fp32.
    /// </summary>
    public double? BaseRounding { get; init; }

    /// <summary>What the initialisation had to say, such as EVA's components that have not settled; empty where there is nothing.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>
    /// The largest eigenvalue of the Hessian of the mean loss by the adapters' trained factors before the first step, on the probe
    /// rows; null where it was not asked for. Studies relate it to the best learning rate (arXiv 2602.04998). An estimate from
    /// below, from differences of gradients: with a base in bf16 it is rough.
    /// </summary>
    public double? LargestEigenvalue { get; init; }

    /// <summary>What the initialisation took.</summary>
    public required InitializationCost Cost { get; init; }

    /// <summary>What the initialisation compared with took, or null.</summary>
    public InitializationCost? AgainstCost { get; init; }
}

/// <summary>How far the model's outputs before the first step are from the base model's with the same head, on the probe rows; the base is held as training would hold it, in 4 bits where that is chosen.</summary>
public sealed record OutputChange
{
    /// <summary>The largest |Δlogit|.</summary>
    public required double MaxLogit { get; init; }

    /// <summary>The mean |Δlogit|.</summary>
    public required double MeanLogit { get; init; }

    /// <summary>The mean |logit| of the base model, to compare with.</summary>
    public required double BaseMeanLogit { get; init; }

    /// <summary>‖ΔH‖ / ‖H‖ of the last hidden states, padding left out.</summary>
    public required double Hidden { get; init; }

    /// <summary>The same after each encoder layer.</summary>
    public required IReadOnlyList<double> HiddenByLayer { get; init; }
}

/// <summary>What computing starting factors took.</summary>
public sealed record InitializationCost
{
    /// <summary>Seconds, passes over data and training included.</summary>
    public required double Seconds { get; init; }

    /// <summary>The most that the process's resident memory rose meanwhile, bytes; sampled, so short peaks may be missed.</summary>
    public required long ProcessBytes { get; init; }

    /// <summary>The most that the CUDA device's used memory rose meanwhile, bytes, other processes included; null on a CPU and where the driver cannot be asked. What the allocator already held counts for nothing.</summary>
    public long? DeviceBytes { get; init; }
}
