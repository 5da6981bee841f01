using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>One training run on several devices against the same on the first of them: how fast, and how different the outcome.</summary>
internal static class SeveralDevices
{
    /// <param name="benchmark">The rows' name.</param>
    /// <param name="setups">What to measure, on the first device.</param>
    /// <param name="others">The devices beside it.</param>
    /// <param name="report">Takes the rows.</param>
    public static void Run(string benchmark, StepSetup[] setups, Device[] others, BenchmarkReport report)
    {
        if (others.Length == 0)
            throw new ArgumentException("--devices needs two devices or more, such as cuda:0,cuda:1.");
        var variant = $"ours_{others.Length + 1}_devices";
        foreach (var setup in setups.OrderBy(s => s.Batch * s.Length))
        {
            using var scope = NewDisposeScope();
            var one = EngineSteps.Measure(benchmark, setup);
            report.Add(one);
            var several = EngineSteps.Measure(benchmark, setup with { OtherDevices = others }) with { Variant = variant };
            var ratio = several.Metrics[BenchmarkRow.Speed] / one.Metrics[BenchmarkRow.Speed];
            several.Metrics["times_one_device"] = ratio;
            report.Add(several);
            Console.Out.WriteLine($"{others.Length + 1} devices train {ratio:0.000} times as many samples a second as one.");
        }
        foreach (var setup in setups.Select(s => s with { Precision = "fp32", Dropout = 0 }).DistinctBy(s => (s.Batch, s.Length)))
        {
            using var scope = NewDisposeScope();
            report.Add(Difference(setup, others, variant));
        }
    }

    /// <summary>Trains the same steps both ways.</summary>
    private static BenchmarkRow Difference(StepSetup setup, Device[] others, string variant)
    {
        var (loss, one) = EngineSteps.Trained(setup, setup.Batch * setup.Steps);
        var (otherLoss, several) = EngineSteps.Trained(setup with { OtherDevices = others }, setup.Batch * setup.Steps);
        double largest = 0, squares = 0, moved = 0;
        foreach (var (name, values) in one)
        {
            // B starts at zero, so that its values are what training has changed.
            var fromZero = name.EndsWith(LinearAdapter.Names.B, StringComparison.Ordinal);
            for (int i = 0; i < values.Length; i++)
            {
                double difference = Math.Abs((double)values[i] - several[name][i]);
                largest = double.IsNaN(difference) ? double.NaN : Math.Max(largest, difference);
                if (!fromZero)
                    continue;
                squares += difference * difference;
                moved += (double)values[i] * values[i];
            }
        }
        var relative = Math.Sqrt(squares / moved);
        Console.Out.WriteLine($"After {setup.Steps} steps at a learning rate of {setup.LearningRate}, the trained values of {others.Length + 1} devices and one differ by {largest:0.0e+0} at most; those of B by {relative:0.0e+0} of their norm.");
        return new("training difference", variant, setup.Configuration(), new(StringComparer.Ordinal)
        {
            ["largest_difference"] = largest,
            ["relative_difference_of_b"] = relative,
            ["norm_of_b"] = Math.Sqrt(moved),
            ["steps"] = setup.Steps,
            ["learning_rate"] = setup.LearningRate,
            ["mean_loss"] = otherLoss,
            ["mean_loss_of_one"] = loss,
        });
    }
}
