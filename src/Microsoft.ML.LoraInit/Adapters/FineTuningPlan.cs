namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>What a <see cref="FineTuningMethod"/> is given to prepare a model with.</summary>
/// <param name="Adapters">Where adapters go and how large they are.</param>
/// <param name="Initialization">How they start.</param>
/// <param name="Seed">Seed of the draws.</param>
/// <param name="Initialize">Computes the factors of the planned layers, or reads those that an interrupted run computed; called once at most, in a dispose scope and without gradients.</param>
internal sealed record FineTuningPlan(
    AdapterSettings Adapters,
    LoraInitialization Initialization,
    int Seed,
    Func<IReadOnlyList<AdapterTarget>, IReadOnlyList<InitializedAdapter>> Initialize);
