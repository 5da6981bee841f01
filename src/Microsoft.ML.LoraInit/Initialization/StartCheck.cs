using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization;

/// <summary>Looks at what a strategy made, before it is put on the model: numbers that are none, and directions that could never learn.</summary>
internal static class StartCheck
{
    /// <param name="strategy">Who made them.</param>
    /// <param name="context">Is told of directions that learn nothing.</param>
    /// <param name="made">One result a target.</param>
    /// <exception cref="InvalidOperationException">There are more or fewer results than layers, a shape does not fit, or a number is not finite; the message names the layer.</exception>
    public static void Check(LoraInitialization strategy, InitializationContext context, IReadOnlyList<InitializedAdapter> made)
    {
        if (made.Count != context.Targets.Count)
            throw new InvalidOperationException($"The initialisation '{strategy.Name}' made factors for {made.Count} layers, and {context.Targets.Count} are planned.");
        using var noGrad = no_grad();
        var (dead, layers) = (0L, new List<string>());
        foreach (var (target, start) in context.Targets.Zip(made))
        {
            if (start.Rank == 0)
                continue; // the data gave the layer none
            new AdapterFactors(start.A, start.B, start.N).Check(target with { Rank = start.Rank });
            foreach (var (name, value) in new[] { ("A", start.A), ("B", start.B), ("N", start.N), ("the base weight", start.ReplacementBase) })
                if (value is not null && !FiniteNumbers.Hold(value))
                    throw new InvalidOperationException($"The initialisation '{strategy.Name}' made {name} of '{target.ModuleName}' with numbers that are not finite (NaN or infinity), from weights, inputs or a scaling (alpha {target.Alpha}, rank {target.Rank}) that it cannot start from. Choose another initialisation or alpha.");
            if (DeadDirections(start) is > 0 and var count)
            {
                dead += count;
                layers.Add(target.ModuleName);
            }
        }
        if (dead > 0)
            context.Warn($"The initialisation '{strategy.Name}' left both factors of {dead} of {made.Sum(m => m.Rank)} directions at zero, '{layers[0]}' {(layers.Count == 1 ? "" : $"and {layers.Count - 1} more layers ")}among them: what it starts from has a lower rank there. Their gradients are zero, so they never learn. Lower the rank, or choose another initialisation.");
    }

    /// <summary>Directions whose row of A and column of B are both zero; the middle matrix of three learns by itself.</summary>
    private static long DeadDirections(InitializedAdapter start)
    {
        if (start.N is not null)
            return 0;
        using var scope = NewDisposeScope();
        return (start.A.any(1) | start.B.any(0)).logical_not().sum().item<long>();
    }
}
