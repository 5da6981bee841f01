using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>What was trained and how it started: what a <see cref="FineTunedState"/> is beside its tensors.</summary>
/// <remarks>A new member that a model cannot be understood without raises ModelFormat.Version, so that older libraries refuse it as newer.</remarks>
internal sealed record FineTunedDescription
{
    /// <summary>What was trained.</summary>
    public required FineTuningMethod Method { get; init; }

    /// <summary>How the adapters started; null for methods without, and where it is not known.</summary>
    public LoraInitialization? Initialization { get; init; }

    /// <summary>The adapters, in the model's order.</summary>
    public IReadOnlyList<AdapterDescription> Adapters { get; init; } = [];

    /// <summary>Whether the base was held in 4 bits.</summary>
    public BaseQuantization BaseQuantization { get; init; } = BaseQuantization.None;

    /// <summary>How the adapters were trained, for readers; null for methods without, and where it is not known.</summary>
    public OptimizerDescription? Optimizer { get; init; }

    /// <summary>How much each class counted, for readers; null where all counted alike.</summary>
    public ClassWeights? ClassWeights { get; init; }

    /// <summary>The layers that the adapters sit on.</summary>
    /// <exception cref="InvalidDataException">An adapter does not fit the base's shape.</exception>
    public IReadOnlyList<StoredAdapter> Targets(RobertaConfig config)
    {
        var shapes = AdapterPlanner.Modules(config).ToDictionary(m => m.Name, m => (m.Outputs, m.Inputs), StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        return
        [
            .. Adapters.Select(d => seen.Add(d.Module)
                ? new StoredAdapter(d, d.Target(shapes), Method.Kind(d.Kind) ?? throw new InvalidDataException($"The model's description of an adapter gives '{d.Module}' the kind '{d.Kind}', which the method '{Method.Name}' does not have."))
                : throw new InvalidDataException($"The model has two adapters on '{d.Module}'.")),
        ];
    }

    /// <summary>Refuses tensors that are missing, surplus, of another shape or not fp32 on the CPU.</summary>
    public static void Check(IReadOnlyDictionary<string, Tensor> tensors, IEnumerable<(string Name, long[] Shape)> expected)
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, shape) in expected)
        {
            known.Add(name);
            if (!tensors.TryGetValue(name, out var found))
                throw new InvalidDataException($"The model lacks the tensor '{name}'.");
            if (!found.shape.AsSpan().SequenceEqual(shape))
                throw new InvalidDataException($"The model's tensor '{name}' has the shape [{string.Join(", ", found.shape)}], not [{string.Join(", ", shape)}].");
            if (found.dtype != ScalarType.Float32 || found.device.type != TorchSharp.DeviceType.CPU)
                throw new InvalidDataException($"The model's tensor '{name}' is {found.dtype} on {found.device}; Float32 on the CPU is expected.");
        }
        var surplus = tensors.Keys.Where(n => !known.Contains(n)).Order(StringComparer.Ordinal).FirstOrDefault();
        if (surplus is not null)
            throw new InvalidDataException($"The model has the tensor '{surplus}', which its description has no place for.");
    }
}

/// <summary>What was peculiar about the training of the adapters.</summary>
/// <param name="LoraPlusRatio">B's learning rate over everybody else's.</param>
/// <param name="GradientPreconditioning">What was done to the gradients of A and B.</param>
/// <param name="PreconditioningDamping">Its ε; null where nothing was done.</param>
internal sealed record OptimizerDescription(double LoraPlusRatio, GradientPreconditioning GradientPreconditioning, double? PreconditioningDamping);
