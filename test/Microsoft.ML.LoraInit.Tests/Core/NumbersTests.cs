using Microsoft.ML.LoraInit.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Core;

[TestClass]
public sealed class NumbersTests
{
    /// <summary>
    /// A sum of integers and floats copies one of them before it reads the factor: time for the collector to free a factor that nothing
    /// holds. With <c>integers + floats</c> instead, nine of ten calls ended in "Expected false to be true" (Scalar.h), and some in another sum.
    /// </summary>
    [TestMethod]
    public async Task ANumberLivesUntilTheCallHasReadIt()
    {
        // Code that is optimised from its first call: a debug build's own, and TorchSharp's first calls, hold every object to the end of a method.
        using var child = TestProcess.Start<NumbersTests>(new Dictionary<string, string> { ["DOTNET_TieredCompilation"] = "0" });
        var (sums, errors) = (child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync());
        await child.WaitForExitAsync();
        Assert.AreEqual($"1 0.5{Environment.NewLine}", await sums, await errors);
    }

    internal static void Child(string[] _)
    {
        using var integers = zeros(1 << 18, ScalarType.Int64);
        using var floats = ones(1 << 18);
        using var storm = new CollectorStorm();
        var sums = new HashSet<(float, float)>();
        while (storm.Collections < 1_000 || sums.Count == 0)
        {
            using var sum = integers.Add(floats);
            using var scaled = integers.Add(floats, 0.5);
            sums.Add((sum[-1].item<float>(), scaled[-1].item<float>()));
        }
        foreach (var (whole, half) in sums)
            Console.WriteLine(FormattableString.Invariant($"{whole} {half}"));
    }

    /// <summary>The same bits as TorchSharp's own calls, whose numbers nothing frees while no collection is made.</summary>
    [TestMethod]
    public void TheyAreTorchs()
    {
        using var scope = NewDisposeScope();
        var (x, y, n) = (arange(6).view(2, 3).cos(), arange(6).view(2, 3).sin(), arange(6).view(2, 3));
        Same(x + y, x.Add(y));
        Same(x.add(y, 0.3), x.Add(y, 0.3));
        Same(x + 0.3, x.Add(0.3));
        Same(n + 3, n.Add(3));
        Same(x.clone().add_(y), x.clone().Add_(y));
        Same(x.clone().add_(y, 0.3), x.clone().Add_(y, 0.3));
        Same(x.clone().add_(0.3), x.clone().Add_(0.3));
        Same(n.clone().add_(3), n.clone().Add_(3));
        Same(x - 0.3, x.Sub(0.3));
        Same(n - 3, n.Sub(3));
        Same(3 - x, x.Rsub(3));
        Same(x * 0.3, x.Mul(0.3));
        Same(n * 3, n.Mul(3));
        Same(x.clone().mul_(0.3), x.clone().Mul_(0.3));
        Same(n.clone().mul_(3), n.clone().Mul_(3));
        Same(x / 0.3, x.Div(0.3));
        Same(n / 3, n.Div(3));
        Same(x.clone().div_(0.3), x.clone().Div_(0.3));
        Same(x.square(), x.Square());
        Same(y.abs().pow(0.3), y.abs().Pow(0.3));
        Same(x.clone().addcmul_(x, y, 0.3), x.clone().Addcmul_(x, y, 0.3));
        Same(x.clone().addcdiv_(y, x, 0.3), x.clone().Addcdiv_(y, x, 0.3));
    }

    [TestMethod]
    public void BoundsFillsComparisonsAndRangesAreTorchs()
    {
        using var scope = NewDisposeScope();
        var (x, n) = (arange(6).view(2, 3).cos(), arange(6).view(2, 3));
        Same(x.clamp(-0.3, 0.3), x.Clamp(-0.3, 0.3));
        Same(x.clamp_min(0.3), x.ClampMin(0.3));
        Same(n.clamp_min(3), n.ClampMin(3));
        Same(x.clone().clamp_min_(0.3), x.clone().ClampMin_(0.3));
        Same(x.clone().clamp_max_(0.3), x.clone().ClampMax_(0.3));
        Same(x.clone().fill_(0.3), x.clone().Fill_(0.3));
        Same(n.clone().fill_(3), n.clone().Fill_(3));
        Same(x.masked_fill(n > 2, 0.3), x.MaskedFill(n > 2, 0.3));
        Same(x.clone().masked_fill_(n > 2, 0.3), x.clone().MaskedFill_(n > 2, 0.3));
        Same(n.clone().index_fill_(1, tensor([1L]), 3), n.clone().IndexFill_(1, tensor([1L]), 3));
        Tensor[] expected = [n == 3, n != 3, n < 3, n <= 3, n > 3, n >= 3];
        Tensor[] actual = [n.Eq(3), n.Ne(3), n.Lt(3), n.Le(3), n.Gt(3), n.Ge(3)];
        Same(stack(expected), stack(actual));
        Same(arange(5, dtype: ScalarType.Float64), Numbers.Arange(5, ScalarType.Float64));
        Same(arange(2, 5), Numbers.Arange(2, 5));
        Same(full(5L, 3, ScalarType.Int64), Numbers.Full(5, 3, ScalarType.Int64));
        Same(full(2L, 3L, 0.3), Numbers.Full(2, 3, 0.3));
    }

    private static void Same(Tensor expected, Tensor actual)
    {
        Assert.AreEqual(expected.dtype, actual.dtype);
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsTrue(expected.equal(actual).all().item<bool>(), $"{expected.cstr()} and {actual.cstr()}");
    }

    private sealed class CollectorStorm : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _over;

        public CollectorStorm()
        {
            _thread = new Thread(Run);
            _thread.Start();
        }

        public int Collections { get; private set; }

        public void Dispose()
        {
            _over = true;
            _thread.Join();
        }

        private void Run()
        {
            while (!_over)
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
                Collections++;
            }
        }
    }
}
