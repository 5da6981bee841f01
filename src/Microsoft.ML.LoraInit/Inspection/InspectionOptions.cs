namespace Microsoft.ML.LoraInit;

/// <summary>What <see cref="InitializationInspector"/> looks at.</summary>
public sealed class InspectionOptions
{
    /// <summary>
    /// The options of the training that would follow: base model, initialisation, rank, alpha, layers, device, precision,
    /// seed, columns. Their type says what the label is: a trainer's own <c>Options</c>.
    /// </summary>
    public required LoraTrainerOptions Training { get; init; }

    /// <summary>A second initialisation whose subspaces the first one's are compared with, or null (the default).</summary>
    public LoraInitialization? Against { get; init; }

    /// <summary>
    /// Training rows, or null (the default): then there are no gradients, initialisations that look at data are refused,
    /// and outputs are compared on rows of random tokens.
    /// </summary>
    public IDataView? Data { get; init; }

    /// <summary>Rows, drawn by the seed, that outputs and gradients are taken on. Default 64. Initialisations that look at data choose their own.</summary>
    public int ProbeRows { get; init; } = 64;

    /// <summary>
    /// Whether the largest eigenvalue of the loss's Hessian by the adapters' trained factors is estimated on the probe rows, which
    /// takes up to 80 gradients. Default false. Needs <see cref="Data"/>.
    /// </summary>
    public bool LargestEigenvalue { get; init; }
}
