namespace Microsoft.ML.LoraInit;

// The strategies' names of version 0.1.0, for code that makes one; they go with the next version but one. No relation by
// inheritance: nothing is of a former type any more, so a pattern such as 'is PiSSAInitialization' does not compile instead of failing.
/// <summary>The former name of <see cref="CntloraInitialization"/>, for code that makes one.</summary>
[Obsolete("Use CntloraInitialization.")]
public sealed class CNTLoRAInitialization
{
    private readonly CntloraInitialization _value = new();

    /// <inheritdoc cref="CntloraInitialization.CorrectBase"/>
    public bool CorrectBase { get => _value.CorrectBase; init => _value = _value with { CorrectBase = value }; }

    /// <inheritdoc cref="CntloraInitialization.Strength"/>
    public double Strength { get => _value.Strength; init => _value = _value with { Strength = value }; }

    /// <inheritdoc cref="CntloraInitialization.Rho"/>
    public double Rho { get => _value.Rho; init => _value = _value with { Rho = value }; }

    /// <inheritdoc cref="CntloraInitialization.BatchSize"/>
    public int BatchSize { get => _value.BatchSize; init => _value = _value with { BatchSize = value }; }

    /// <inheritdoc cref="CntloraInitialization.Batches"/>
    public int Batches { get => _value.Batches; init => _value = _value with { Batches = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(CNTLoRAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="CordaInitialization"/>, for code that makes one.</summary>
[Obsolete("Use CordaInitialization.")]
public sealed class CorDAInitialization
{
    private readonly CordaInitialization _value = new();

    /// <inheritdoc cref="CordaInitialization.Mode"/>
    public CordaMode Mode { get => _value.Mode; init => _value = _value with { Mode = value }; }

    /// <inheritdoc cref="CordaInitialization.BatchSize"/>
    public int BatchSize { get => _value.BatchSize; init => _value = _value with { BatchSize = value }; }

    /// <inheritdoc cref="CordaInitialization.Batches"/>
    public int Batches { get => _value.Batches; init => _value = _value with { Batches = value }; }

    /// <inheritdoc cref="CordaInitialization.Damping"/>
    public double Damping { get => _value.Damping; init => _value = _value with { Damping = value }; }

    /// <inheritdoc cref="CordaInitialization.Normalize"/>
    public bool Normalize { get => _value.Normalize; init => _value = _value with { Normalize = value }; }

    /// <inheritdoc cref="CordaInitialization.Divisor"/>
    public CordaDivisor Divisor { get => _value.Divisor; init => _value = _value with { Divisor = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(CorDAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="IniLoraInitialization"/>, for code that makes one.</summary>
[Obsolete("Use IniLoraInitialization.")]
public sealed class IniLoRAInitialization
{
    private readonly IniLoraInitialization _value = new();

    /// <inheritdoc cref="IniLoraInitialization.Steps"/>
    public int Steps { get => _value.Steps; init => _value = _value with { Steps = value }; }

    /// <inheritdoc cref="IniLoraInitialization.LearningRate"/>
    public double LearningRate { get => _value.LearningRate; init => _value = _value with { LearningRate = value }; }

    /// <inheritdoc cref="IniLoraInitialization.Sigma"/>
    public double? Sigma { get => _value.Sigma; init => _value = _value with { Sigma = value }; }

    /// <inheritdoc cref="IniLoraInitialization.SigmaRule"/>
    public IniLoraSigmaRule SigmaRule { get => _value.SigmaRule; init => _value = _value with { SigmaRule = value }; }

    /// <inheritdoc cref="IniLoraInitialization.FitSeed"/>
    public int? FitSeed { get => _value.FitSeed; init => _value = _value with { FitSeed = value }; }

    /// <inheritdoc cref="IniLoraInitialization.Exact"/>
    public bool Exact { get => _value.Exact; init => _value = _value with { Exact = value }; }

    /// <inheritdoc cref="IniLoraInitialization.AbsorbScaling"/>
    public bool AbsorbScaling { get => _value.AbsorbScaling; init => _value = _value with { AbsorbScaling = value }; }

    /// <inheritdoc cref="IniLoraInitialization.CacheFolder"/>
    public string? CacheFolder { get => _value.CacheFolder; init => _value = _value with { CacheFolder = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(IniLoRAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="IniLoraAlphaInitialization"/>, for code that makes one.</summary>
[Obsolete("Use IniLoraAlphaInitialization.")]
public sealed class IniLoRAAlphaInitialization
{
    private readonly IniLoraAlphaInitialization _value = new();

    /// <inheritdoc cref="IniLoraAlphaInitialization.Deviation"/>
    public double Deviation { get => _value.Deviation; init => _value = _value with { Deviation = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(IniLoRAAlphaInitialization value) => value._value;
}

/// <summary>The former name of <see cref="IniLoraBetaInitialization"/>, for code that makes one.</summary>
[Obsolete("Use IniLoraBetaInitialization.")]
public sealed class IniLoRABetaInitialization
{
    private readonly IniLoraBetaInitialization _value = new();

    /// <inheritdoc cref="IniLoraBetaInitialization.Distribution"/>
    public KaimingDistribution Distribution { get => _value.Distribution; init => _value = _value with { Distribution = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(IniLoRABetaInitialization value) => value._value;
}

/// <summary>The former name of <see cref="LoftqInitialization"/>, for code that makes one.</summary>
[Obsolete("Use LoftqInitialization.")]
public sealed class LoftQInitialization
{
    private readonly LoftqInitialization _value = new();

    /// <inheritdoc cref="LoftqInitialization.Iterations"/>
    public int Iterations { get => _value.Iterations; init => _value = _value with { Iterations = value }; }

    /// <inheritdoc cref="LoftqInitialization.DoubleQuantization"/>
    public bool DoubleQuantization { get => _value.DoubleQuantization; init => _value = _value with { DoubleQuantization = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(LoftQInitialization value) => value._value;
}

/// <summary>The former name of <see cref="LoraGaInitialization"/>, for code that makes one.</summary>
[Obsolete("Use LoraGaInitialization.")]
public sealed class LoRAGAInitialization
{
    private readonly LoraGaInitialization _value = new();

    /// <inheritdoc cref="LoraGaInitialization.Form"/>
    public LoraGaForm Form { get => _value.Form; init => _value = _value with { Form = value }; }

    /// <inheritdoc cref="LoraGaInitialization.Direction"/>
    public LoraGaDirection Direction { get => _value.Direction; init => _value = _value with { Direction = value }; }

    /// <inheritdoc cref="LoraGaInitialization.Scale"/>
    public LoraGaScale Scale { get => _value.Scale; init => _value = _value with { Scale = value }; }

    /// <inheritdoc cref="LoraGaInitialization.Gamma"/>
    public double Gamma { get => _value.Gamma; init => _value = _value with { Gamma = value }; }

    /// <inheritdoc cref="LoraGaInitialization.Iterations"/>
    public int Iterations { get => _value.Iterations; init => _value = _value with { Iterations = value }; }

    /// <inheritdoc cref="LoraGaInitialization.BatchSize"/>
    public int BatchSize { get => _value.BatchSize; init => _value = _value with { BatchSize = value }; }

    /// <inheritdoc cref="LoraGaInitialization.Batches"/>
    public int Batches { get => _value.Batches; init => _value = _value with { Batches = value }; }

    /// <inheritdoc cref="LoraGaInitialization.Dropout"/>
    public bool Dropout { get => _value.Dropout; init => _value = _value with { Dropout = value }; }

    /// <inheritdoc cref="LoraGaInitialization.NormClip"/>
    public bool NormClip { get => _value.NormClip; init => _value = _value with { NormClip = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(LoRAGAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="LoraOneInitialization"/>, for code that makes one.</summary>
[Obsolete("Use LoraOneInitialization.")]
public sealed class LoRAOneInitialization
{
    private readonly LoraOneInitialization _value = new();

    /// <inheritdoc cref="LoraOneInitialization.Gamma"/>
    public double Gamma { get => _value.Gamma; init => _value = _value with { Gamma = value }; }

    /// <inheritdoc cref="LoraOneInitialization.Normalize"/>
    public bool Normalize { get => _value.Normalize; init => _value = _value with { Normalize = value }; }

    /// <inheritdoc cref="LoraOneInitialization.Iterations"/>
    public int Iterations { get => _value.Iterations; init => _value = _value with { Iterations = value }; }

    /// <inheritdoc cref="LoraOneInitialization.BatchSize"/>
    public int BatchSize { get => _value.BatchSize; init => _value = _value with { BatchSize = value }; }

    /// <inheritdoc cref="LoraOneInitialization.Batches"/>
    public int Batches { get => _value.Batches; init => _value = _value with { Batches = value }; }

    /// <inheritdoc cref="LoraOneInitialization.Dropout"/>
    public bool Dropout { get => _value.Dropout; init => _value = _value with { Dropout = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(LoRAOneInitialization value) => value._value;
}

/// <summary>The former name of <see cref="MicaInitialization"/>, for code that makes one.</summary>
[Obsolete("Use MicaInitialization.")]
public sealed class MiCAInitialization
{
    private readonly MicaInitialization _value = new();

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(MiCAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="MiloraInitialization"/>, for code that makes one.</summary>
[Obsolete("Use MiloraInitialization.")]
public sealed class MiLoRAInitialization
{
    private readonly MiloraInitialization _value = new();

    /// <inheritdoc cref="MiloraInitialization.Segment"/>
    public MiloraSegment Segment { get => _value.Segment; init => _value = _value with { Segment = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(MiLoRAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="NloraInitialization"/>, for code that makes one.</summary>
[Obsolete("Use NloraInitialization.")]
public sealed class NLoRAInitialization
{
    private readonly NloraInitialization _value = new();

    /// <inheritdoc cref="NloraInitialization.TrainOnlyN"/>
    public bool TrainOnlyN { get => _value.TrainOnlyN; init => _value = _value with { TrainOnlyN = value }; }

    /// <inheritdoc cref="NloraInitialization.PseudoInverse"/>
    public bool PseudoInverse { get => _value.PseudoInverse; init => _value = _value with { PseudoInverse = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(NLoRAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="NoraInitialization"/>, for code that makes one.</summary>
[Obsolete("Use NoraInitialization.")]
public sealed class NoRAInitialization
{
    private readonly NoraInitialization _value = new();

    /// <inheritdoc cref="NoraInitialization.Scale"/>
    public double Scale { get => _value.Scale; init => _value = _value with { Scale = value }; }

    /// <inheritdoc cref="NoraInitialization.Side"/>
    public NoraSide Side { get => _value.Side; init => _value = _value with { Side = value }; }

    /// <inheritdoc cref="NoraInitialization.Sigma"/>
    public double? Sigma { get => _value.Sigma; init => _value = _value with { Sigma = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(NoRAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="OloraInitialization"/>, for code that makes one.</summary>
[Obsolete("Use OloraInitialization.")]
public sealed class OLoRAInitialization
{
    private readonly OloraInitialization _value = new();

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(OLoRAInitialization value) => value._value;
}

/// <summary>The former name of <see cref="PissaInitialization"/>, for code that makes one.</summary>
[Obsolete("Use PissaInitialization.")]
public sealed class PiSSAInitialization
{
    private readonly PissaInitialization _value = new();

    /// <inheritdoc cref="PissaInitialization.Iterations"/>
    public int Iterations { get => _value.Iterations; init => _value = _value with { Iterations = value }; }

    /// <summary>The strategy by its present name.</summary>
    public static implicit operator LoraInitialization(PiSSAInitialization value) => value._value;
}
