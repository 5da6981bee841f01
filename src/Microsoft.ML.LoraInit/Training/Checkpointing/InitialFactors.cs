using System.Diagnostics;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>What the adapters of a run start from, kept so that checkpoints can hold it.</summary>
internal sealed class InitialFactors : IDisposable
{
    /// <summary>The layers initialised; empty where the method has no low-rank adapters.</summary>
    public IReadOnlyList<AdapterTarget> Targets { get; private set; } = [];

    /// <summary>Their factors, in the targets' order; owned by this.</summary>
    public IReadOnlyList<InitializedAdapter> Adapters { get; private set; } = [];

    /// <summary>Time that computing them took.</summary>
    public double Seconds { get; private set; }

    /// <summary>Takes what a strategy makes, with the time it takes.</summary>
    /// <exception cref="InvalidOperationException">It made factors for other layers, or numbers that are not finite.</exception>
    public void Compute(LoraInitialization strategy, InitializationContext context, Device device)
    {
        var started = Stopwatch.GetTimestamp();
        var made = strategy.Initialize(context);
        StartCheck.Check(strategy, context, made);
        Keep(context.Targets, made);
        if (device.type == TorchSharp.DeviceType.CUDA)
            cuda.synchronize(device); // else the time would be that of queueing the work
        Seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    /// <summary>Takes what an interrupted run computed.</summary>
    public void Resume(IReadOnlyList<AdapterTarget> targets, IReadOnlyList<InitializedAdapter> stored, double seconds)
    {
        Keep(targets, stored);
        Seconds = seconds;
    }

    /// <summary>mean((s·B·A − W)²) of each layer, averaged over them; null where there are none or W is held in 4 bits.</summary>
    public double? FactorizationError(BaseWeights weights)
    {
        if (Targets.Count == 0 || weights.IsQuantized)
            return null;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        return Targets.Zip(Adapters).Average(layer =>
        {
            using var inner = NewDisposeScope();
            var (target, start) = layer;
            var product = new AdapterFactors(start.A, start.B, start.N).Product();
            var weight = weights[$"{target.ModuleName}.weight"].to(product.device).to(product.dtype);
            return weight.sub(product.Mul(Scaling(target, start))).Square().mean().cpu().to(ScalarType.Float64).item<double>();
        });
    }

    // The rank and the alpha may be the data's choice; no rank is no adapter.
    private static double Scaling(AdapterTarget target, InitializedAdapter start) =>
        start.Rank == 0 ? 0 : (target with { Rank = start.Rank, Alpha = start.Alpha ?? target.Alpha }).Scaling;

    public void Dispose()
    {
        foreach (var adapter in Adapters)
        {
            adapter.A.Dispose();
            adapter.B.Dispose();
            adapter.N?.Dispose();
            adapter.ReplacementBase?.Dispose();
        }
    }

    private void Keep(IReadOnlyList<AdapterTarget> targets, IReadOnlyList<InitializedAdapter> made)
    {
        if (made.Count != targets.Count)
            throw new InvalidOperationException($"There are starting factors for {made.Count} layers, and {targets.Count} are planned.");
        Targets = targets;
        Adapters = [.. made.Select(m => m with { A = Copy(m.A), B = Copy(m.B), N = m.N is null ? null : Copy(m.N), ReplacementBase = m.ReplacementBase is null ? null : Copy(m.ReplacementBase) })];
    }

    // A copy: a factor may be a view of something much larger.
    private static Tensor Copy(Tensor value)
    {
        using var noGrad = no_grad();
        return value.detach().clone().DetachFromDisposeScope();
    }
}
