using System.Numerics;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>How heads lie in memory, fp32: the first layer's weight and bias, then the last one's, whose outputs are filled up to a power of 2 from 8 on.</summary>
/// <param name="Hidden">The encoder's width.</param>
/// <param name="Outputs">Logits a row, filled up.</param>
internal sealed record HeadForm(long Hidden, int Outputs)
{
    private const int LeastOutputs = 8;

    private long Bias => Hidden * Hidden;

    private long Projection => Bias + Hidden;

    private long ProjectionBias => Projection + (Outputs * Hidden);

    public long Width => ProjectionBias + Outputs;

    public static HeadForm Of(AdapterFactors factors) => new(
        factors.Dense.Bias.shape[0], Math.Max(LeastOutputs, (int)BitOperations.RoundUpToPowerOf2((uint)factors.Projection.Bias.shape[0])));

    /// <summary>The numbers of a head, in the current dispose scope.</summary>
    public Tensor Pack(AdapterFactors factors)
    {
        using var scope = NewDisposeScope();
        long unused = Outputs - factors.Projection.Bias.shape[0];
        return cat([
            factors.Dense.Weight.reshape(-1), factors.Dense.Bias,
            factors.Projection.Weight.reshape(-1), zeros(unused * Hidden), factors.Projection.Bias, zeros(unused)]).MoveToOuterDisposeScope();
    }

    /// <summary>First tokens' states to logits.</summary>
    /// <param name="heads">[heads, <see cref="Width"/>]: one for all rows, or one a row.</param>
    /// <param name="first">fp32 [rows, hidden].</param>
    /// <returns>fp32 [rows, <see cref="Outputs"/>].</returns>
    public Tensor Logits(Tensor heads, Tensor first)
    {
        using var scope = NewDisposeScope();
        long count = heads.shape[0];
        var x = first.view(count, -1, Hidden);
        var pooled = Layer(x, heads.narrow(1, 0, Bias).view(count, Hidden, Hidden), heads.narrow(1, Bias, Hidden)).tanh_();
        var logits = Layer(pooled, heads.narrow(1, Projection, Outputs * Hidden).view(count, Outputs, Hidden), heads.narrow(1, ProjectionBias, Outputs));
        return logits.view(-1, Outputs).MoveToOuterDisposeScope();

        static Tensor Layer(Tensor x, Tensor weights, Tensor biases) => x.bmm(weights.transpose(1, 2)).Add_(biases.unsqueeze(1));
    }
}
