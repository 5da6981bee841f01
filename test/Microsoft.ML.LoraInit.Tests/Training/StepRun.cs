using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Optimization;
using Microsoft.ML.LoraInit.Training.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>Two epochs by one kind of step, to be compared with another's.</summary>
internal static class StepRun
{
    /// <summary>21 rows in batches of 4, so that the last is not full.</summary>
    public static FineTuningRequest Request(bool weighted, int accumulate, TextTask task) =>
        ToyRun.Request(o => (o.BatchSize, o.GradientAccumulationSteps, o.InitialLearningRate) = (4, accumulate, 1e-3), task: task) with
        {
            Train = ToyRun.Rows(21, task, 3, weighted),
        };

    /// <returns>The trained values, and the last epoch's sum of losses.</returns>
    public static (float[] Values, double Loss) Train(FineTuningRequest request, Func<StepParts, TrainingStep> create, AdapterSettings? adapters = null)
    {
        using var scope = NewDisposeScope();
        var device = request.Base.Device;
        using var model = new RobertaClassifier(request.Base, request.Task.OutputCount, HeadInitializer.Create(request.Base.Config, request.Task.OutputCount, 1, device));
        Attach.Random(model, adapters ?? new AdapterSettings { Rank = 2, Alpha = 4 });
        using var parameters = new TrainableParameters(model.Parameters);
        using var optimizer = new FlatAdamW(parameters, new AdamWSettings { WeightDecay = 0.1 });
        using var state = new TrainingState(device);
        using var step = create(new(request, model, parameters, optimizer, null, state));
        double loss = 0;
        foreach (var epoch in new[] { 1, 2 })
        {
            var plan = BatchPlanner.Shuffled([.. request.Train.Texts.Select(t => t.Length)], request.Settings.Schedule.BatchSize, 1, epoch);
            using var batches = step.Open(plan);
            foreach (var group in plan.Chunk(request.Settings.Schedule.GradientAccumulationSteps))
                step.Run(batches, group, 1e-3);
            loss = state.LossSum.cpu().item<double>();
        }
        return (parameters.Flat.detach().cpu().data<float>().ToArray(), loss);
    }

    /// <summary>AdamW makes the rounding of a gradient near zero as large as any gradient, so one value in ten thousand may differ more.</summary>
    public static void AssertClose((float[] Values, double Loss) expected, (float[] Values, double Loss) actual, double tolerance)
    {
        Assert.AreEqual(expected.Loss, actual.Loss, 1e-4 * Math.Abs(expected.Loss));
        Assert.AreEqual(expected.Values.Length, actual.Values.Length);
        var apart = Enumerable.Range(0, expected.Values.Length).Where(i => !(Math.Abs(expected.Values[i] - actual.Values[i]) <= tolerance)).ToArray();
        Assert.IsTrue(apart.Length <= expected.Values.Length / 10_000, $"{apart.Length} of {expected.Values.Length} values differ by more than {tolerance}: {string.Join(", ", apart.Take(10).Select(i => $"{i}: {expected.Values[i]} and {actual.Values[i]}"))}");
    }
}
