using System.Diagnostics;
using Microsoft.ML.LoraInit.Inspection;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks;

/// <summary>Time and memory of one initialisation, and what came out.</summary>
internal sealed record Measurement(double Seconds, double ProcessMegabytes, double? DeviceMegabytes, IReadOnlyList<InitializedAdapter> Results)
{
    /// <summary>Runs a strategy; the results belong to the caller's dispose scope.</summary>
    public static Measurement Of(LoraInitialization strategy, InitializationContext context)
    {
        using var memory = new MemoryWatch(context.Device);
        var started = Stopwatch.GetTimestamp();
        var results = strategy.Initialize(context);
        if (context.Device.type == TorchSharp.DeviceType.CUDA)
            cuda.synchronize(context.Device);
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return new(seconds, memory.ProcessBytes / 1048576.0, memory.DeviceBytes / 1048576.0, results);
    }

    /// <summary>‖W − (W' + s·B·A)‖ / ‖W‖ in fp32, as a model computes it: how far the function is from the base's before the first step.</summary>
    public static double Change(AdapterTarget target, InitializedAdapter adapter, Tensor weight)
    {
        if (adapter.Rank == 0)
            return 0;
        using var scope = NewDisposeScope();
        var scaling = (target with { Rank = adapter.Rank, Alpha = adapter.Alpha ?? target.Alpha }).Scaling;
        var product = new AdapterFactors(adapter.A, adapter.B, adapter.N).Product() * scaling;
        var start = adapter.ReplacementBase ?? (adapter.SubtractFromBase ? weight - product : weight);
        return Math.Sqrt(Subspaces.Square((start + product - weight).to(ScalarType.Float64)) / Subspaces.Square(weight.to(ScalarType.Float64)));
    }
}
