using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Strategies;

/// <summary>Draws and zeros for one layer, fp32, moved to the training device, from the layer's own generators.</summary>
internal static class RandomFactors
{
    public static Tensor ZeroA(InitializationContext context, AdapterTarget target) =>
        zeros(target.Rank, target.InFeatures, device: context.Device);

    public static Tensor ZeroB(InitializationContext context, AdapterTarget target) =>
        zeros(target.OutFeatures, target.Rank, device: context.Device);

    /// <summary>A [r, in], each number from U(−bound, bound).</summary>
    public static Tensor UniformA(InitializationContext context, AdapterTarget target, string purpose, double bound) =>
        Uniform(context, target, purpose + "/A", target.Rank, target.InFeatures, bound);

    /// <summary>B [out, r], each number from U(−bound, bound).</summary>
    public static Tensor UniformB(InitializationContext context, AdapterTarget target, string purpose, double bound) =>
        Uniform(context, target, purpose + "/B", target.OutFeatures, target.Rank, bound);

    /// <summary>A [r, in], each number from N(0, deviation²).</summary>
    public static Tensor NormalA(InitializationContext context, AdapterTarget target, string purpose, double deviation) =>
        Normal(context, target, purpose + "/A", target.Rank, target.InFeatures, deviation);

    /// <summary>B [out, r], each number from N(0, deviation²).</summary>
    public static Tensor NormalB(InitializationContext context, AdapterTarget target, string purpose, double deviation) =>
        Normal(context, target, purpose + "/B", target.OutFeatures, target.Rank, deviation);

    public static Tensor Normal(InitializationContext context, AdapterTarget target, string purpose, long rows, long columns, double deviation) =>
        Normal(context, target, purpose, rows, columns, deviation, context.Seed);

    public static Tensor Normal(
        InitializationContext context, AdapterTarget target, string purpose, long rows, long columns, double deviation, int seed)
    {
        using var random = InitializationContext.Random(target, purpose, seed);
        return empty(rows, columns).normal_(0, deviation, random).to(context.Device);
    }

    public static Tensor Uniform(InitializationContext context, AdapterTarget target, string purpose, long rows, long columns, double bound)
    {
        using var random = context.Random(target, purpose);
        return empty(rows, columns).uniform_(-bound, bound, random).to(context.Device);
    }
}
