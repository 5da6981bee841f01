using Microsoft.ML.LoraInit.Cuda;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

[TestClass]
[TestCategory("Gpu")]
public class CudaGraphTests
{
    private const int Width = 64;

    [TestMethod]
    public void ReplayedTrainingStepsAreThoseOfEagerOnes()
    {
        Require();
        using var scope = NewDisposeScope();
        using var eager = new Regression(20);
        using var captured = new Regression(20);
        using (new CudaStreamScope(CUDA))
        {
            captured.Step();
            eager.Step();
            captured.Step();
            eager.Step();
            using var graph = CudaGraph.TryCapture(captured.Step, null, out var why);
            Assert.IsNotNull(graph, why);
            // Capturing has not run anything.
            CudaTest.Close(eager.Weight, captured.Weight, 1e-5, 1e-6, "before replaying");
            for (int i = 0; i < 10; i++)
            {
                eager.Load(i);
                captured.Load(i);
                eager.Step();
                graph.Replay();
            }
            CudaTest.Close(eager.Weight, captured.Weight, 1e-4, 1e-5, "after ten steps");
            captured.Step();
            eager.Step();
            CudaTest.Close(eager.Weight, captured.Weight, 1e-4, 1e-5, "after an eager step");
        }
    }

    [TestMethod]
    public void GraphsShareMemoryAndOutliveEachOther()
    {
        Require();
        using var scope = NewDisposeScope();
        using var eager = new Regression(12);
        using var captured = new Regression(12);
        using var longer = new Regression(48, captured.Weight);
        using var eagerLonger = new Regression(48, eager.Weight);
        using var stream = new CudaStreamScope(CUDA);
        foreach (var run in new[] { captured, longer, eager, eagerLonger })
            run.Step();
        var first = CudaGraph.TryCapture(longer.Step, null, out var why);
        Assert.IsNotNull(first, why);
        using var second = CudaGraph.TryCapture(captured.Step, first, out why);
        Assert.IsNotNull(second, why);
        for (int i = 0; i < 3; i++)
        {
            first.Replay();
            second.Replay();
            eagerLonger.Step();
            eager.Step();
        }
        CudaTest.Close(eager.Weight, captured.Weight, 1e-4, 1e-5, "two graphs");
        first.Dispose();
        first.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(first.Replay);
        Assert.ThrowsExactly<ObjectDisposedException>(() => CudaGraph.TryCapture(captured.Step, first, out _));
        using var third = CudaGraph.TryCapture(longer.Step, second, out why);
        Assert.IsNotNull(third, why);
        second.Replay();
        third.Replay();
        eager.Step();
        eagerLonger.Step();
        CudaTest.Close(eager.Weight, captured.Weight, 1e-4, 1e-5, "after one is gone");
    }

    [TestMethod]
    public void FailedCapturesLeaveTheProcessAsItWas()
    {
        Require();
        using var scope = NewDisposeScope();
        using var run = new Regression(16);
        using var stream = new CudaStreamScope(CUDA);
        run.Step();
        var failures = new (string Expected, Action Work)[]
        {
            ("on purpose", () => { run.Step(); throw new InvalidOperationException("on purpose"); }),
            ("throw", () => { run.Step(); _ = run.Weight.sum().item<float>(); }),
        };
        foreach (var (expected, work) in failures)
        {
            Assert.IsNull(CudaGraph.TryCapture(work, null, out var reason));
            Console.WriteLine(reason);
            StringAssert.Contains(reason, expected == "throw" ? "threw" : expected);
            // Eager work, the default generator and captures go on.
            using var inner = NewDisposeScope();
            Assert.IsTrue(randn(100, device: CUDA).std().item<float>() > 0.5f);
            float before = run.Loss();
            run.Step();
            Assert.IsTrue(run.Loss() < before);
            using var graph = CudaGraph.TryCapture(run.Step, null, out var why);
            Assert.IsNotNull(graph, why);
            before = run.Loss();
            graph.Replay();
            Assert.IsTrue(run.Loss() < before);
        }
    }

    [TestMethod]
    public void TheDefaultStreamIsNotCaptured()
    {
        Require();
        bool ran = false;
        Assert.IsNull(CudaGraph.TryCapture(() => ran = true, null, out var why));
        StringAssert.Contains(why, nameof(CudaStreamScope));
        Assert.IsFalse(ran);
    }

    [TestMethod]
    public void ThreadsWorkAndCaptureOnStreamsOfTheirOwn()
    {
        Require();
        var handles = new nint[4];
        var failures = new List<Exception>();
        var threads = Enumerable.Range(0, handles.Length).Select(index => new Thread(() =>
        {
            try
            {
                using var scope = NewDisposeScope();
                using var eager = new Regression(16 + index);
                using var captured = new Regression(16 + index);
                using (new CudaStreamScope(CUDA))
                {
                    handles[index] = CudaStreams.CurrentHandle(0);
                    captured.Step();
                    eager.Step();
                    using var graph = CudaGraph.TryCapture(captured.Step, null, out var why);
                    Assert.IsNotNull(graph, why);
                    for (int i = 0; i < 50; i++)
                    {
                        graph.Replay();
                        eager.Step();
                    }
                    CudaTest.Close(eager.Weight, captured.Weight, 1e-4, 1e-5, $"thread {index}");
                }
                Assert.AreEqual(0, CudaStreams.CurrentHandle(0));
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add(e);
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Assert.AreEqual(0, failures.Count, string.Join('\n', failures));
        Assert.AreEqual(handles.Length, handles.Distinct().Count());
        CollectionAssert.DoesNotContain(handles, (nint)0);
    }

    private static void Require()
    {
        CudaTest.RequireDevice();
        Assert.IsTrue(CudaGraph.IsAvailable(out var why), why);
    }

    /// <summary>Gradient descent on a least-squares problem whose inputs lie at fixed places.</summary>
    private sealed class Regression : IDisposable
    {
        private readonly Tensor _inputs;
        private readonly Tensor _targets;
        private readonly bool _owns;

        public Regression(int rows, Tensor? weight = null)
        {
            using var scope = NewDisposeScope();
            _inputs = CudaTest.Random(1, ScalarType.Float32, rows, Width).DetachFromDisposeScope();
            _targets = CudaTest.Random(2, ScalarType.Float32, rows, Width).DetachFromDisposeScope();
            _owns = weight is null;
            Weight = weight ?? CudaTest.Random(3, ScalarType.Float32, Width, Width).requires_grad_().DetachFromDisposeScope();
        }

        public Tensor Weight { get; }

        /// <summary>Other inputs at the same place.</summary>
        public void Load(int seed)
        {
            using var scope = NewDisposeScope();
            _inputs.copy_(CudaTest.Random(100 + seed, ScalarType.Float32, _inputs.shape));
        }

        public void Step()
        {
            using var scope = NewDisposeScope();
            Error().backward();
            using var noGrad = no_grad();
            var gradient = Weight.grad!;
            Weight.sub_(gradient * 0.1);
            gradient.zero_();
        }

        public float Loss()
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            return Error().item<float>();
        }

        public void Dispose()
        {
            _inputs.Dispose();
            _targets.Dispose();
            if (_owns)
                Weight.Dispose();
        }

        private Tensor Error() => (_inputs.matmul(Weight) - _targets).square().mean();
    }
}
