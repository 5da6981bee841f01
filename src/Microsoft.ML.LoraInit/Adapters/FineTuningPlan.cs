using Microsoft.ML.LoraInit.Adapters.Family;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>What a <see cref="FineTuningMethod"/> is given to prepare a model with.</summary>
/// <param name="Adapters">Where adapters go and how large they are.</param>
/// <param name="Seed">Seed of what the method draws.</param>
/// <param name="Targets">The layers that get adapters, as <see cref="FineTuningMethod.Targets"/> has them.</param>
/// <param name="Starts">What they start as, in the targets' order; stays the caller's.</param>
/// <param name="Earlier">What earlier stages learnt, which stays; null where there were none. The caller's.</param>
internal sealed record FineTuningPlan(
    AdapterSettings Adapters, int Seed, IReadOnlyList<AdapterTarget> Targets, IReadOnlyList<InitializedAdapter> Starts, EarlierDirections? Earlier = null);
