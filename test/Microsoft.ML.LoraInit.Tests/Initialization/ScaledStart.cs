namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>Which way B of <see cref="ScaledStart"/> points.</summary>
public enum StartSign
{
    Plus,
    Minus,
}

/// <summary>A strategy as somebody else would write it; never registered in the process of the tests, see <see cref="OwnStrategyTests"/>.</summary>
public sealed record ScaledStart : LoraInitialization
{
    public double Scale { get; init; } = 0.1;

    public StartSign Sign { get; init; }

    public int? Draw { get; init; }

    public IReadOnlyList<double> Unused { get; init; } = [1, 2];

    /// <summary>Follows from the others, and is no setting.</summary>
    public double Signed => Sign == StartSign.Plus ? Scale : -Scale;

    public override string Name => "scaled-start";

    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target =>
        {
            using var random = context.Random(target, $"{Name}/{Draw}");
            var a = TorchSharp.torch.randn(target.Rank, target.InFeatures, generator: random) * Scale;
            var b = TorchSharp.torch.randn(target.OutFeatures, target.Rank, generator: random) * Signed;
            return new InitializedAdapter(a, b) { SubtractFromBase = true };
        }),
    ];
}
