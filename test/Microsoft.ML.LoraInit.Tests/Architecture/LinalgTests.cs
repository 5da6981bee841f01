using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

[TestClass]
public sealed class LinalgTests
{
    // Norms and triangular solutions need no library that is loaded late.
    private static readonly Regex Direct = new(@"(?<![\w.])linalg\.(?!norm\b|vector_norm\b|solve_triangular\b)\w+\(");

    [TestMethod]
    public void DecompositionsGoThroughTheOneDoorThatThreadsMayShare()
    {
        var direct = LibrarySources.Files.Where(f => f != "Core/Linalg.cs")
            .SelectMany(f => File.ReadLines(Path.Combine(LibrarySources.Root, f)).Select((line, i) => (File: f, Number: i + 1, Line: line)))
            .Where(l => !l.Line.TrimStart().StartsWith("//", StringComparison.Ordinal) && Direct.IsMatch(l.Line))
            .Select(l => $"{l.File}:{l.Number}").ToArray();
        Assert.AreEqual(0, direct.Length, $"Call {nameof(Linalg)} instead of linalg: {string.Join(", ", direct)}");
    }

    [TestMethod]
    public void TheyAreTorchs()
    {
        using var scope = NewDisposeScope();
        var x = arange(12, dtype: ScalarType.Float64).view(4, 3).cos();
        var gram = x.t().matmul(x) + eye(3, dtype: ScalarType.Float64);
        var (u, s, vh) = Linalg.Svd(x, false);
        var (q, r) = Linalg.Qr(x);
        var (values, vectors) = Linalg.Eigh(gram);
        var lower = Linalg.Cholesky(gram);
        Near(x, (u * s).matmul(vh));
        Near(x, q.matmul(r));
        Near(gram, (vectors * values).matmul(vectors.t()));
        Near(gram, lower.matmul(lower.t()));
        Near(values, Linalg.Eigvalsh(gram));
        Near(eye(3, dtype: ScalarType.Float64), Linalg.Inv(gram).matmul(gram));
        Near(x, x.matmul(Linalg.Pinv(x, 1e-12)).matmul(x));
    }

    private static void Near(Tensor expected, Tensor actual) => Assert.IsTrue(expected.allclose(actual, 1e-9, 1e-9), $"{(expected - actual).abs().max().item<double>()}");
}
