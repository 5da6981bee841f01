using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// The second moment C = XᵀX / count [n, n] of rows that arrive in pieces, summed in fp64 so that neither many rows nor a
/// few large features cost digits.
/// </summary>
internal sealed class SecondMoment : IDisposable
{
    private readonly Tensor _sum;

    public SecondMoment(int features, Device device) =>
        _sum = zeros(features, features, ScalarType.Float64, device).DetachFromDisposeScope();

    /// <summary>What the sum is divided by: rows, or the samples that they came from.</summary>
    public long Count { get; private set; }

    /// <param name="x">[rows, n].</param>
    /// <param name="count">How many the rows count for; null for their number.</param>
    public void Add(Tensor x, long? count = null)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var rows = x.to(ScalarType.Float64);
        _sum.Add_(rows.t().matmul(rows));
        Count += count ?? x.shape[0];
    }

    /// <summary>C, fp64.</summary>
    public Tensor Value() => _sum.Div(Math.Max(1, Count));

    public void Dispose() => _sum.Dispose();
}
