using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Initialization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks;

/// <summary><c>initialization</c>: every strategy on the same matrices.</summary>
internal static class InitializationBenchmark
{
    private const InitializationNeeds Data = InitializationNeeds.Activations | InitializationNeeds.Gradients | InitializationNeeds.Training;

    public static CliCommand Create()
    {
        var command = new CliCommand("initialization", "Time, memory and error of every initialisation. Inputs and gradients are made up: passes over data and training are not in the times.");
        var options = new BenchmarkOptions(command);
        var only = new Option<string[]>("--init") { Description = "Initialisations, by name and settings; default all.", HelpName = "NAME[:SETTING=VALUE,…]", AllowMultipleArgumentsPerToken = true };
        var steps = new Option<int>("--steps") { Description = "Steps of inilora.", DefaultValueFactory = _ => 1000 };
        command.Options.Add(only);
        command.Options.Add(steps);
        command.SetAction(result =>
        {
            var strategies = result.GetValue(only) is { Length: > 0 } names
                ? names.Select(LoraInitialization.Parse)
                : LoraInitialization.Names.Select(n => n == "inilora" ? LoraInitialization.IniLora(result.GetValue(steps), cacheFolder: "") : LoraInitialization.Parse(n));
            using var scope = NewDisposeScope();
            var matrices = options.Load(result);
            options.Write(result, new Results(BenchmarkOptions.Conditions(matrices), Run(matrices, [.. strategies])));
        });
        return command;
    }

    private static List<Row> Run(Matrices matrices, LoraInitialization[] strategies)
    {
        Console.Out.WriteLine($"{matrices.Name}: {matrices.Targets.Count} matrices, the first [{matrices.Targets[0].OutFeatures}, {matrices.Targets[0].InFeatures}], rank {matrices.Targets[0].Rank}, on {matrices.Device}");
        Console.Out.WriteLine($"{"",-14}{"seconds",10}{"memory MB",11}{"device MB",11}{"error",12}");
        var context = new BenchmarkContext(matrices);
        foreach (var target in matrices.Targets)
            foreach (var strategy in strategies)
                strategy.Validate(target);
        WarmUp(context);
        var rows = new List<Row>();
        foreach (var strategy in strategies)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var measured = Measurement.Of(strategy, context);
            var error = matrices.Targets.Zip(measured.Results, (t, r) => Measurement.Change(t, r, matrices.Weights[t.ModuleName])).Max();
            rows.Add(new(InitializationRegistry.ToJson(strategy), strategy.Family.ToString(), measured.Seconds, measured.ProcessMegabytes, measured.DeviceMegabytes, error, (strategy.Needs & Data) == 0));
            Console.Out.WriteLine($"{strategy.Name,-14}{measured.Seconds,10:0.000}{measured.ProcessMegabytes,11:0.0}{measured.DeviceMegabytes,11:0.0}{error,12:0.0e+0}");
        }
        return rows;
    }

    /// <summary>The libraries behind decompositions are loaded on first use, which is no strategy's cost.</summary>
    private static void WarmUp(BenchmarkContext context)
    {
        using var scope = NewDisposeScope();
        var small = empty(64, 64).normal_(0, 1, context.Random(context.Targets[0], "warm-up")).to(context.Device);
        _ = linalg.svd(small.to(ScalarType.Float64), false);
        _ = linalg.qr(small.matmul(small));
    }

    /// <param name="Strategy">Name and settings.</param>
    /// <param name="Family">What it does to the model's function.</param>
    /// <param name="Seconds">For all matrices.</param>
    /// <param name="ProcessMegabytes">The rise of the process's resident memory.</param>
    /// <param name="DeviceMegabytes">The rise of the device's used memory; null on a CPU.</param>
    /// <param name="Error">The largest ‖W − (W' + s·B·A)‖ / ‖W‖ of the matrices.</param>
    /// <param name="Complete">Whether the time is all that it takes; false where a real run reads data or trains first.</param>
    private sealed record Row(JsonObject Strategy, string Family, double Seconds, double ProcessMegabytes, double? DeviceMegabytes, double Error, bool Complete);

    private sealed record Results(RunConditions Conditions, IReadOnlyList<Row> Strategies);
}
