namespace Microsoft.ML.LoraInit;

// The factories' names of version 0.1.0; they go with the next version but one.
public abstract partial record LoraInitialization
{
    /// <inheritdoc cref="Cntlora"/>
    [Obsolete("Use Cntlora.")]
    public static LoraInitialization CNTLoRA(bool correctBase = true, double strength = 1, double rho = 2, int batchSize = 32, int batches = 8) =>
        Cntlora(correctBase, strength, rho, batchSize, batches);

    /// <inheritdoc cref="Corda"/>
    [Obsolete("Use Corda.")]
    public static LoraInitialization CorDA(CordaMode mode = CordaMode.Ipm, int batchSize = 32, int batches = 8) =>
        Corda(mode, batchSize, batches);

    /// <inheritdoc cref="Eva"/>
    [Obsolete("Use Eva.")]
    public static LoraInitialization EVA(double rho = 2, double tau = 0.99, bool whiten = false, bool adjustScaling = true, int batchSize = 32) =>
        Eva(rho, tau, whiten, adjustScaling, batchSize);

    /// <inheritdoc cref="Hrp"/>
    [Obsolete("Use Hrp.")]
    public static LoraInitialization HighRankPreheating(
        int rank = 64, int steps = 100, double learningRate = 1e-3, int batchSize = 32, HrpSide side = HrpSide.A,
        double? alpha = null, double scale = 1) =>
        Hrp(rank, steps, learningRate, batchSize, side, alpha, scale);

    /// <inheritdoc cref="IniLora"/>
    [Obsolete("Use IniLora.")]
    public static LoraInitialization IniLoRA(int steps = 20_000, bool exact = false, string? cacheFolder = null, int? fitSeed = 0) =>
        IniLora(steps, exact, cacheFolder, fitSeed);

    /// <inheritdoc cref="IniLoraAlpha"/>
    [Obsolete("Use IniLoraAlpha.")]
    public static LoraInitialization IniLoRAAlpha(double deviation = 0.5) => IniLoraAlpha(deviation);

    /// <inheritdoc cref="IniLoraBeta"/>
    [Obsolete("Use IniLoraBeta.")]
    public static LoraInitialization IniLoRABeta(KaimingDistribution distribution = KaimingDistribution.Normal) =>
        IniLoraBeta(distribution);

    /// <inheritdoc cref="Loftq"/>
    [Obsolete("Use Loftq.")]
    public static LoraInitialization LoftQ(int iterations = 1, bool doubleQuantization = false) =>
        Loftq(iterations, doubleQuantization);

    /// <inheritdoc cref="LoraGa"/>
    [Obsolete("Use LoraGa.")]
    public static LoraInitialization LoRAGA(
        LoraGaForm form = LoraGaForm.Authors, LoraGaDirection direction = LoraGaDirection.ArB2r,
        LoraGaScale scale = LoraGaScale.Stable, double gamma = 16, int batchSize = 8, int batches = 16) =>
        LoraGa(form, direction, scale, gamma, batchSize, batches);

    /// <inheritdoc cref="LoraOne"/>
    [Obsolete("Use LoraOne.")]
    public static LoraInitialization LoRAOne(double gamma = 128, bool normalize = true, int batchSize = 8, int batches = 1) =>
        LoraOne(gamma, normalize, batchSize, batches);

    /// <inheritdoc cref="Mica"/>
    [Obsolete("Use Mica.")]
    public static LoraInitialization MiCA() => Mica();

    /// <inheritdoc cref="Milora"/>
    [Obsolete("Use Milora.")]
    public static LoraInitialization MiLoRA(MiloraSegment segment = MiloraSegment.Min) =>
        Milora(segment);

    /// <inheritdoc cref="Nlora"/>
    [Obsolete("Use Nlora.")]
    public static LoraInitialization NLoRA(bool trainOnlyN = false, bool pseudoInverse = false) =>
        Nlora(trainOnlyN, pseudoInverse);

    /// <inheritdoc cref="Nora"/>
    [Obsolete("Use Nora.")]
    public static LoraInitialization NoRA(double scale = 1, NoraSide side = NoraSide.A, double? sigma = null) =>
        Nora(scale, side, sigma);

    /// <inheritdoc cref="Olora"/>
    [Obsolete("Use Olora.")]
    public static LoraInitialization OLoRA() => Olora();

    /// <inheritdoc cref="Pissa"/>
    [Obsolete("Use Pissa.")]
    public static LoraInitialization PiSSA(int iterations = 0) => Pissa(iterations);
}
