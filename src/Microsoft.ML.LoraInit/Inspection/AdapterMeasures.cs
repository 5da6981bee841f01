namespace Microsoft.ML.LoraInit;

/// <summary>
/// What is known about adapters before the first step, of one layer or of all together. P is the product s·B·A (s·B·N·A)
/// and W the base weight before any correction and quantisation, both [out, in]; norms are Frobenius norms. For all layers together, squares
/// are added up before the ratios are taken; effective rank and overlaps are means over the layers that have one.
/// </summary>
/// <remarks>
/// Of methods whose tensors are no A and B (LoHa, LoKr, MELoRA, PRoLoRA), A and B are those of the plain LoRA that adds the same; where none of low
/// rank does, they span P's own rows and columns. Gradients of such methods are not told.
/// </remarks>
public sealed record AdapterMeasures
{
    /// <summary>‖P‖ / ‖W‖.</summary>
    public required double ProductRatio { get; init; }

    /// <summary>‖Π_U W Π_V‖² / ‖W‖², with the projectors onto P's column space and row space: W's energy that the product spans. 0 where P is 0.</summary>
    public required double CapturedEnergy { get; init; }

    /// <summary>‖Π_B W‖² / ‖W‖², with the projector onto B's column space: W's energy in the outputs that B reaches.</summary>
    public required double OutputEnergy { get; init; }

    /// <summary>‖W Π_A‖² / ‖W‖², with the projector onto A's row space: W's energy in the inputs that A reads.</summary>
    public required double InputEnergy { get; init; }

    /// <summary>exp of the entropy of P's singular values, divided by their sum (Roy and Vetterli, 2007): from 1 to r; 0 where P is 0.</summary>
    public required double EffectiveRank { get; init; }

    /// <summary>‖W' + P − W‖ / ‖W‖, with the base weight W' that training starts from, rounded or quantised as the base is: 0 where the function is kept.</summary>
    public required double WeightChange { get; init; }

    /// <summary>Norm of the gradient of the mean loss with respect to A; null without data and where A is frozen.</summary>
    public double? GradientNormA { get; init; }

    /// <summary>Norm of the gradient of the mean loss with respect to B; null without data and where B is frozen.</summary>
    public double? GradientNormB { get; init; }

    /// <summary>Mean squared cosine of the principal angles between B's column space and that of the other initialisation: 1 where one contains the other, 0 where they are orthogonal; null where there is no other or a space is {0}.</summary>
    public double? OutputOverlap { get; init; }

    /// <summary>The same between the row spaces of A.</summary>
    public double? InputOverlap { get; init; }
}

/// <summary>One adapted layer.</summary>
public sealed record LayerInspection
{
    /// <summary>Full module name, such as <c>roberta.encoder.layer.0.attention.self.query</c>.</summary>
    public required string Module { get; init; }

    /// <summary>Rows of W.</summary>
    public required int OutFeatures { get; init; }

    /// <summary>Columns of W.</summary>
    public required int InFeatures { get; init; }

    /// <summary>r, as asked for or as the data chose; 0 where the layer got no adapter.</summary>
    public required int Rank { get; init; }

    /// <summary>Numerator of the scaling.</summary>
    public required double Alpha { get; init; }

    /// <summary>s, the factor on B·A.</summary>
    public required double Scaling { get; init; }

    /// <summary>What was measured.</summary>
    public required AdapterMeasures Measures { get; init; }
}
