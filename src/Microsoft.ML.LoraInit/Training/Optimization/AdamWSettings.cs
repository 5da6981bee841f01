namespace Microsoft.ML.LoraInit.Training.Optimization;

/// <summary>AdamW's constants; the defaults are those of <c>torch.optim.AdamW</c>.</summary>
internal sealed record AdamWSettings
{
    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.999;

    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled decay, multiplied by the learning rate.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Whether biases and norms decay too (one parameter group); by default they do not. What never decays stays so.</summary>
    public bool DecayEverything { get; init; }

    /// <summary>What a parameter decays by, before its own factor on the rate.</summary>
    public double DecayOf(Roberta.Parameter parameter) => !parameter.NeverDecays && (DecayEverything || parameter.Decay) ? WeightDecay : 0;

    public void Validate()
    {
        if (Beta1 is not (>= 0 and < 1) || Beta2 is not (>= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(Beta1), $"AdamW's betas must lie in [0, 1); they are {Beta1} and {Beta2}.");
        if (!(Epsilon >= 0) || !double.IsFinite(Epsilon))
            throw new ArgumentOutOfRangeException(nameof(Epsilon), $"AdamW's epsilon must be a number of at least 0; it is {Epsilon}.");
        if (!(WeightDecay >= 0) || !double.IsFinite(WeightDecay))
            throw new ArgumentOutOfRangeException(nameof(WeightDecay), $"The weight decay must be a number of at least 0; it is {WeightDecay}.");
    }
}
