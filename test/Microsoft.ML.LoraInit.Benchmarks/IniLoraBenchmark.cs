using System.CommandLine;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks;

/// <summary><c>inilora</c>: the factorisation by gradient descent against the best that the rank allows, and again from the cache.</summary>
internal static class IniLoraBenchmark
{
    public static CliCommand Create()
    {
        var command = new CliCommand("inilora", "IniLoRA's factorisation of all matrices in one batched run: time, memory, error against the best rank-r error, and a second run from the cache.");
        var options = new BenchmarkOptions(command);
        var steps = new Option<int>("--steps") { Description = "Adam steps.", DefaultValueFactory = _ => 20_000 };
        command.Options.Add(steps);
        command.SetAction(result =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var results = Run(options.Load(result), result.GetValue(steps));
            Console.Out.WriteLine($"{results.Conditions.Matrices} matrices [{results.Conditions.FirstShape}] at rank {results.Conditions.Rank}, {results.Steps} steps on {results.Conditions.Device}: {results.Seconds:0.00} s ({1e6 * results.Seconds / results.Steps:0} µs a step), {results.ProcessMegabytes:0} MB of memory, {results.DeviceMegabytes?.ToString("0") ?? "no"} MB on a device.");
            Console.Out.WriteLine($"Error above the best: {100 * results.MeanExcess:0.000} % in the mean, {100 * results.WorstExcess:0.000} % at worst. From the cache: {results.CachedSeconds:0.000} s, {(results.CacheEqual ? "equal" : "DIFFERENT")}.");
            options.Write(result, results);
            return results.CacheEqual ? 0 : 1;
        });
        return command;
    }

    private static Results Run(Matrices matrices, int steps)
    {
        var cache = Directory.CreateTempSubdirectory("inilora-benchmark-");
        try
        {
            var strategy = LoraInitialization.IniLora(steps, cacheFolder: cache.FullName);
            var context = new BenchmarkContext(matrices);
            WarmUp(matrices);
            var first = Measurement.Of(strategy, context);
            var second = Measurement.Of(strategy, context);
            var excess = matrices.Targets.Zip(first.Results, (target, found) =>
            {
                using var scope = NewDisposeScope();
                var weight = matrices.Weights[target.ModuleName].to(ScalarType.Float64);
                var fit = found.B.to(ScalarType.Float64).matmul(found.A.to(ScalarType.Float64)) * target.Scaling;
                var error = (fit - weight).square().sum().item<double>();
                var best = linalg.svdvals(weight).cpu().data<double>().Skip(target.Rank).Sum(s => s * s);
                return (error / best) - 1;
            }).ToArray();
            var equal = first.Results.Zip(second.Results).All(p => Same(p.First.A, p.Second.A) && Same(p.First.B, p.Second.B));
            return new(BenchmarkOptions.Conditions(matrices), steps, first.Seconds, first.ProcessMegabytes, first.DeviceMegabytes, excess.Average(), excess.Max(), second.Seconds, equal);
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    /// <summary>Loads what the first products of a process load, on matrices so small that their memory does not count.</summary>
    private static void WarmUp(Matrices matrices)
    {
        using var scope = NewDisposeScope();
        var target = matrices.Targets[0] with { InFeatures = 64, OutFeatures = 64 };
        var small = matrices with
        {
            Targets = [target],
            Weights = new Dictionary<string, Tensor> { [target.ModuleName] = Matrices.Random("warm-up", matrices.Seed, 1, matrices.Device, 64, 64) },
        };
        LoraInitialization.IniLora(10, cacheFolder: "").Initialize(new BenchmarkContext(small));
    }

    private static bool Same(Tensor first, Tensor second) => first.eq(second).all().item<bool>();

    /// <param name="Conditions">On what it was measured.</param>
    /// <param name="Steps">Adam steps.</param>
    /// <param name="Seconds">The first run, cache written.</param>
    /// <param name="ProcessMegabytes">The rise of the process's resident memory.</param>
    /// <param name="DeviceMegabytes">The rise of the device's used memory, the original matrices not counted; null on a CPU.</param>
    /// <param name="MeanExcess">Squared error over the least that the rank allows (from an SVD), less 1: the mean of the matrices.</param>
    /// <param name="WorstExcess">The largest.</param>
    /// <param name="CachedSeconds">The second run, from the cache.</param>
    /// <param name="CacheEqual">Whether both runs gave the same factors, bit for bit.</param>
    private sealed record Results(
        RunConditions Conditions, int Steps, double Seconds, double ProcessMegabytes, double? DeviceMegabytes,
        double MeanExcess, double WorstExcess, double CachedSeconds, bool CacheEqual);
}
