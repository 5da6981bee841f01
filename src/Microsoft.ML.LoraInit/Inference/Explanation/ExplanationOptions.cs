namespace Microsoft.ML.LoraInit;

/// <summary>How a prediction is explained.</summary>
public sealed record ExplanationOptions
{
    /// <summary>How attributions are computed. Default integrated gradients.</summary>
    public AttributionMethod Method { get; init; } = AttributionMethod.IntegratedGradients;

    /// <summary>What stands for a token that is not there. Default the mask token, which the model knows from its pre-training.</summary>
    public AttributionBaseline Baseline { get; init; } = AttributionBaseline.Mask;

    /// <summary>Points of integrated gradients on the way from baseline to text; more make the residual smaller. Default 50.</summary>
    public int Steps { get; init; } = 50;
}

/// <summary>How a token's part in a score is computed.</summary>
public enum AttributionMethod
{
    /// <summary>
    /// Integrated gradients (arXiv 1703.01365): (x − x′) · ∫ ∂score/∂x along the straight line from the baseline's embeddings x′ to
    /// the text's x. The attributions of all tokens sum up to score(x) − score(x′).
    /// </summary>
    IntegratedGradients,

    /// <summary>(x − x′) · ∂score/∂x at the text alone: one pass, and only a first-order estimate of score(x) − score(x′).</summary>
    GradientTimesInput,
}

/// <summary>The embedding that a token is compared with; positions and the special tokens around the text stay.</summary>
public enum AttributionBaseline
{
    /// <summary>The mask token's.</summary>
    Mask,

    /// <summary>The padding token's.</summary>
    Padding,

    /// <summary>Zeros.</summary>
    Zero,
}
