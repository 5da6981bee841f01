using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// The second moment C = XᵀX / rows [n, n] of rows that arrive in pieces, summed in fp64 so that neither many rows nor a
/// few large features cost digits.
/// </summary>
internal sealed class SecondMoment : IDisposable
{
    private readonly Tensor _sum;

    public SecondMoment(int features, Device device) =>
        _sum = zeros(features, features, ScalarType.Float64, device).DetachFromDisposeScope();

    public long Rows { get; private set; }

    /// <param name="x">[rows, n].</param>
    public void Add(Tensor x)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var rows = x.to(ScalarType.Float64);
        _sum.add_(rows.t().matmul(rows));
        Rows += x.shape[0];
    }

    /// <summary>C, fp64.</summary>
    public Tensor Value() => _sum / Math.Max(1, Rows);

    public void Dispose() => _sum.Dispose();
}
