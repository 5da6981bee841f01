using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>W seen from eigenvectors of its outputs. See <see cref="AstraInitialization"/>.</summary>
    /// <param name="end">Which eigenvectors.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches looked at.</param>
    public static LoraInitialization Astra(AstraEnd end = AstraEnd.Largest, int batchSize = 32, int batches = 8) =>
        new AstraInitialization { End = end, BatchSize = batchSize, Batches = batches };
}

/// <summary>Which eigenvectors of the outputs' covariance <see cref="AstraInitialization"/> takes.</summary>
public enum AstraEnd
{
    /// <summary>Those of the r largest eigenvalues: the authors' "IPM", their default.</summary>
    Largest,

    /// <summary>Those of the r smallest: the tail, as the paper's title has it; the authors' "KPM".</summary>
    Smallest,

    /// <summary>r from the middle on, out/2: the authors' third.</summary>
    Middle,
}

/// <summary>
/// Astra (arXiv 2602.19111; LyoAI/Astra): with Y = X Wᵀ + b the layer's outputs on training rows and V_r, [out, r], eigenvectors
/// of their second moment YᵀY, B = V_r and A = V_rᵀ W, [r, in]: B·A is W as far as it writes into that space. The base becomes
/// W − s·B·A, so that the model starts with its own function.
/// </summary>
/// <remarks>
/// The paper (its abstract was to be had) speaks of the tail eigenvectors; the authors' code (7c77e96, astra.py) takes the last
/// columns of <c>torch.linalg.eigh</c>, which sorts upwards, and so those of the largest eigenvalues, by default; its "KPM"
/// takes the smallest. <see cref="End"/> offers both, the code's as default. As in that code each sample's outputs are divided
/// by |max Y| before they are added up, the bias is part of Y, and the factors are not divided by s: with s ≠ 1 the base is no
/// residual of W, but the function is the same. In a layer with more outputs than inputs the smallest eigenvalues are zero, and
/// W writes next to nothing there: A is then near zero too. Their sharing out of ranks by effective rank is left out.
/// Cost: forward passes over the rows, a product of W's size a token and an eigendecomposition of [out, out] a layer, fp64.
/// </remarks>
public sealed record AstraInitialization : LoraInitialization
{
    /// <summary>Which eigenvectors. Default the largest, as in the authors' code.</summary>
    public AstraEnd End { get; init => field = Setting.Defined(value); }

    /// <summary>Training rows a batch. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <summary>Batches. Default 8: 256 rows with the default batch.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <inheritdoc/>
    public override string Name => "astra";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights | InitializationNeeds.Activations;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        var moments = new Dictionary<string, SecondMoment>();
        try
        {
            context.VisitActivations(BatchSize, Batches, 1, (target, x, lengths) =>
            {
                using var noGrad = no_grad();
                if (!moments.TryGetValue(target.ModuleName, out var moment))
                    moments[target.ModuleName] = moment = new SecondMoment(target.OutFeatures, x.device);
                moment.Add(SampleScale.Normalized(nn.functional.linear(x, context.Weight(target), context.Bias(target)), lengths), lengths.Count);
                context.Report("Second moments of the layers' outputs", moment.Count, (long)BatchSize * Batches);
                return true;
            });
            return Decompositions.Scoped(() => [.. context.Targets.Select((target, i) => Factors(context, target, moments[target.ModuleName], i))]);
        }
        finally
        {
            foreach (var moment in moments.Values)
                moment.Dispose();
        }
    }

    private InitializedAdapter Factors(InitializationContext context, AdapterTarget target, SecondMoment moment, int index)
    {
        context.Report("Eigenvectors of the layers' outputs", index, context.Targets.Count);
        var vectors = Linalg.Eigh(moment.Value()).Vectors; // ascending
        long start = End switch
        {
            AstraEnd.Largest => target.OutFeatures - target.Rank,
            AstraEnd.Smallest => 0,
            _ => Math.Min(target.OutFeatures / 2, target.OutFeatures - target.Rank),
        };
        var b = vectors.narrow(1, start, target.Rank);
        var a = b.t().matmul(context.Weight(target).to(ScalarType.Float64));
        return new InitializedAdapter(a.to(ScalarType.Float32), b.to(ScalarType.Float32).contiguous()) { SubtractFromBase = true };
    }
}
