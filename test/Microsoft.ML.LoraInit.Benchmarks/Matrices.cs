using Microsoft.ML.LoraInit.Adapters;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks;

/// <summary>The weights to initialise adapters for, fp32 on the device.</summary>
internal sealed record Matrices(string Name, string Sha256, IReadOnlyList<AdapterTarget> Targets, IReadOnlyDictionary<string, Tensor> Weights, int Seed, Device Device)
{
    public const string RobertaBase = "roberta-base";

    private const int Layers = 12;
    private const int Hidden = 768;
    private const double Deviation = 0.04;

    public static Matrices Load(string name, int rank, double alpha, int seed, Device device)
    {
        if (name == RobertaBase)
        {
            var targets = (from layer in Enumerable.Range(0, Layers)
                           from kind in new[] { "query", "value" }
                           select new AdapterTarget($"roberta.encoder.layer.{layer}.attention.self.{kind}", Hidden, Hidden, rank, alpha, false)).ToArray();
            return new(name, $"random N(0, {Deviation}) {seed}", targets, targets.ToDictionary(t => t.ModuleName, t => Random(t.ModuleName, seed, Deviation, device, Hidden, Hidden)), seed, device);
        }
        using var files = RobertaCheckpoint.Parse(name).Open(null, CancellationToken.None);
        var planned = AdapterPlanner.Plan(new AdapterSettings { Rank = rank, Alpha = alpha }, files.Config);
        var names = planned.Select(t => $"{t.ModuleName}.weight").ToHashSet();
        var tensors = files.LoadTensors(names.Contains, device, ScalarType.Float32);
        return new(name, files.Identity.Sha256, planned, planned.ToDictionary(t => t.ModuleName, t => tensors[$"{t.ModuleName}.weight"]), seed, device);
    }

    /// <summary>N(0, deviation²), drawn on the CPU, so that a seed gives the same matrix on every device.</summary>
    public static Tensor Random(string name, int seed, double deviation, Device device, params long[] shape)
    {
        using var generator = new Generator(SeededRandom.Hash(seed, name), CPU);
        return empty(shape).normal_(0, deviation, generator).to(device);
    }
}
