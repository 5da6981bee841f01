using System.Diagnostics;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Initialization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// Stands before a strategy and keeps what it made, so that checkpoints can hold it; or, in a resumed run, gives back
/// what a checkpoint holds without asking the strategy.
/// </summary>
internal sealed record KeptInitialization : LoraInitialization, IDisposable
{
    private readonly LoraInitialization _strategy;
    private readonly Func<IReadOnlyList<AdapterTarget>, IReadOnlyList<InitializedAdapter>>? _stored;

    /// <param name="strategy">The strategy.</param>
    /// <param name="stored">Reads stored factors, or null in a fresh run.</param>
    public KeptInitialization(LoraInitialization strategy, Func<IReadOnlyList<AdapterTarget>, IReadOnlyList<InitializedAdapter>>? stored)
    {
        _strategy = strategy;
        _stored = stored;
    }

    public override string Name => _strategy.Name;

    public override InitializationFamily Family => _strategy.Family;

    public override InitializationNeeds Needs => _strategy.Needs;

    /// <summary>The layers initialised; empty where the method has no low-rank adapters.</summary>
    public IReadOnlyList<AdapterTarget> Targets { get; private set; } = [];

    /// <summary>What they start from, in the targets' order; owned by this.</summary>
    public IReadOnlyList<InitializedAdapter> Adapters { get; private set; } = [];

    /// <summary>Time that the strategy took; 0 where it was not asked.</summary>
    public double Seconds { get; private set; }

    internal override void Validate(AdapterTarget target) => _strategy.Validate(target);

    internal override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        var started = Stopwatch.GetTimestamp();
        var made = _stored is null ? _strategy.Initialize(context) : _stored(context.Targets);
        Targets = context.Targets;
        Adapters = [.. made.Select(m => m with { A = Keep(m.A), B = Keep(m.B), N = m.N is null ? null : Keep(m.N), ReplacementBase = m.ReplacementBase is null ? null : Keep(m.ReplacementBase) })];
        if (context.Device.type == TorchSharp.DeviceType.CUDA)
            cuda.synchronize(context.Device); // else the time would be that of queueing the work
        Seconds = _stored is null ? Stopwatch.GetElapsedTime(started).TotalSeconds : 0;
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

    // A copy of its own: a factor may be a view of something much larger.
    private static Tensor Keep(Tensor value)
    {
        using var noGrad = no_grad();
        return value.detach().clone().DetachFromDisposeScope();
    }
}
