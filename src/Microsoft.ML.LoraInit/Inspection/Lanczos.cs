using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>
/// The largest eigenvalue of a symmetric matrix that is known by its products alone, by Lanczos steps with full
/// reorthogonalisation, fp64. Where an eigenvalue has an opposite of nearly its size (with B = 0 the Hessian's come in such
/// pairs), power iteration would not settle; this does.
/// </summary>
/// <param name="product">H·v for a unit vector v [n], fp64; in the caller's scope.</param>
internal sealed class Lanczos(Func<Tensor, Tensor> product)
{
    /// <summary>Products at most.</summary>
    public int MaxSteps { get; init; } = 40;

    /// <summary>Ends where a step raises the estimate by less than this share.</summary>
    public double Tolerance { get; init; } = 1e-3;

    /// <param name="count">n.</param>
    /// <param name="device">Where vectors live.</param>
    /// <param name="seed">Draws the first vector.</param>
    public double Largest(long count, Device device, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var random = new Generator(seed, CPU);
        var first = empty(count, ScalarType.Float64).normal_(0, 1, random).to(device);
        var basis = new List<Tensor> { first / first.norm() };
        var (diagonal, off) = (new List<double>(), new List<double>());
        double largest = double.NegativeInfinity;
        for (int step = 0; step < Math.Min(MaxSteps, count); step++)
        {
            using var inner = NewDisposeScope();
            var next = product(basis[step]);
            diagonal.Add(next.dot(basis[step]).item<double>());
            for (int round = 0; round < 2; round++)
            {
                foreach (var vector in basis)
                    next = next - vector * next.dot(vector);
            }
            var before = largest;
            largest = Largest(diagonal, off);
            var length = next.norm().item<double>();
            if (length <= 1e-10 * Math.Abs(largest) || (step >= 3 && largest - before <= Tolerance * Math.Abs(largest)))
                break;
            off.Add(length);
            basis.Add(next.Div(length).MoveToOuterDisposeScope());
        }
        return largest;
    }

    private static double Largest(List<double> diagonal, List<double> off)
    {
        using var scope = NewDisposeScope();
        var matrix = zeros(diagonal.Count, diagonal.Count, ScalarType.Float64);
        for (int i = 0; i < diagonal.Count; i++)
        {
            matrix[i, i] = diagonal[i];
            if (i > 0)
                matrix[i, i - 1] = off[i - 1];
        }
        return Linalg.Eigvalsh(matrix)[-1].item<double>();
    }
}
