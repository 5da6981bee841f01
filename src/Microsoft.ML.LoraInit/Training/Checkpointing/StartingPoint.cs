using System.Diagnostics;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>What the adapters of a run start from, kept so that checkpoints can hold it.</summary>
internal sealed class StartingPoint : IDisposable
{
    /// <summary>The layers initialised; empty where the method has no low-rank adapters.</summary>
    public IReadOnlyList<AdapterTarget> Targets { get; private set; } = [];

    /// <summary>Their factors, in the targets' order; owned by this.</summary>
    public IReadOnlyList<InitializedAdapter> Adapters { get; private set; } = [];

    /// <summary>Time that computing them took.</summary>
    public double Seconds { get; private set; }

    /// <summary>Takes what <paramref name="compute"/> makes for the targets, with the time it takes.</summary>
    public IReadOnlyList<InitializedAdapter> Compute(IReadOnlyList<AdapterTarget> targets, Device device, Func<IReadOnlyList<InitializedAdapter>> compute)
    {
        var started = Stopwatch.GetTimestamp();
        Keep(targets, compute());
        if (device.type == TorchSharp.DeviceType.CUDA)
            cuda.synchronize(device); // else the time would be that of queueing the work
        Seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return Adapters;
    }

    /// <summary>Takes what an interrupted run computed.</summary>
    public IReadOnlyList<InitializedAdapter> Resume(IReadOnlyList<AdapterTarget> targets, IReadOnlyList<InitializedAdapter> stored, double seconds)
    {
        Keep(targets, stored);
        Seconds = seconds;
        return Adapters;
    }

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
