using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Fusion;

/// <summary>Sources of fusions, made up: random bottlenecks as if trained.</summary>
internal static class Fusions
{
    /// <summary>Three sources over the embedded model, for runs on it.</summary>
    public static AdapterFusionMethod Mini { get; } = new() { Sources = [.. Enumerable.Range(1, 3).Select(seed => Source(ToyRun.Base, $"s{seed}", seed, 0.02, new PfeifferMethod(8)))] };

    /// <summary>A fusion over the tiny model of sources with these seeds.</summary>
    public static AdapterFusionMethod Tiny(params int[] seeds)
    {
        using var weights = TinyModel.Base();
        return new() { Sources = [.. seeds.Select((seed, i) => Source(weights, $"s{i}", seed))] };
    }

    public static FusionSource Source(BaseWeights weights, string name, int seed, double scale = 0.3, FineTuningMethod? method = null)
    {
        using var state = State(weights, seed, scale, method ?? new PfeifferMethod(4));
        return FusionSource.Of(name, state);
    }

    /// <summary>A model with random bottlenecks, the caller's.</summary>
    public static FineTunedState State(BaseWeights weights, int seed, double scale, FineTuningMethod method)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = TinyModel.Create(weights);
        method.Apply(model, new(new(), seed, [], []));
        foreach (var parameter in model.Layers.SelectMany(l => l.Bottlenecks.Values).SelectMany(b => b.Parameters))
            parameter.Replace(empty(parameter.Shape).normal_(0, scale, new Generator((ulong)(seed + parameter.Name.Length))));
        return FineTunedState.Capture(model, method, null);
    }
}
