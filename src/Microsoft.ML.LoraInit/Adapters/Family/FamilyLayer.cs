using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>A layer that is about to get an adapter.</summary>
/// <param name="Target">The layer, the rank and the scale.</param>
/// <param name="Made">What the initialisation made for it.</param>
/// <param name="Weight">The untouched W.</param>
/// <param name="Seed">The run's.</param>
/// <param name="Earlier">What earlier stages learnt, or null.</param>
internal sealed record FamilyLayer(AdapterTarget Target, InitializedAdapter Made, Parameter Weight, int Seed, EarlierDirections? Earlier = null)
{
    private Device Device => Made.A.device;

    /// <summary>Whether what the initialisation made adds nothing yet, whatever stands between its factors, and leaves the base alone: one of them is zero.</summary>
    public bool StartsAtNothing => !Made.SubtractFromBase && Made.ReplacementBase is null && (IsZero(Made.A) || IsZero(Made.B));

    /// <summary>A and B as they were made, and what was done to the base for them.</summary>
    public FamilyStart AsMade(params (string Suffix, Tensor Value)[] more)
    {
        var parts = new Dictionary<string, Tensor>(AdapterBlueprint.PartsOf(new(Made.A, Made.B)), StringComparer.Ordinal);
        foreach (var (suffix, value) in more)
            parts.Add(suffix, value);
        return new(parts, AdapterAttacher.Correction(Made, new(Made.A, Made.B)));
    }

    /// <summary>Numbers from N(0, deviation²), of the layer's own generator for this purpose.</summary>
    public Tensor Normal(string purpose, double deviation, params long[] shape)
    {
        using var random = InitializationContext.Random(Target, purpose, Seed);
        return empty(shape).normal_(0, deviation, random).to(Device);
    }

    /// <summary>Kaiming-uniform with a = √5 of a matrix [rows, columns]: U(−1/√columns, 1/√columns).</summary>
    public Tensor Kaiming(string purpose, long rows, long columns)
    {
        using var random = InitializationContext.Random(Target, purpose, Seed);
        var bound = 1 / Math.Sqrt(columns);
        return empty(rows, columns).uniform_(-bound, bound, random).to(Device);
    }

    public Tensor Zeros(params long[] shape) => zeros(shape, device: Device);

    public Tensor Ones(params long[] shape) => ones(shape, device: Device);

    private static bool IsZero(Tensor value) => !value.any().item<bool>();
}

/// <summary>What an adapter starts from; the tensors are copied.</summary>
/// <param name="Parts">By the end of their names.</param>
/// <param name="Correction">What is done to the base weight, or null.</param>
internal sealed record FamilyStart(IReadOnlyDictionary<string, Tensor> Parts, BaseCorrection? Correction = null);
