using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

[TestClass]
public sealed class CudaGateTests
{
    [TestMethod]
    public void CapturesAreAloneAmongRunsThatStepAside()
    {
        const int Captures = 200;
        int inside = 0, seen = 0, captures = 0;
        var runs = Enumerable.Range(0, 4).Select(run => new Thread(() =>
        {
            using var gate = CudaGate.Enter();
            Interlocked.Increment(ref inside);
            while (Volatile.Read(ref captures) < Captures)
            {
                Interlocked.Decrement(ref inside);
                CudaGate.StepAside();
                if (run == 0)
                {
                    seen += CudaGate.Alone(() =>
                    {
                        Interlocked.Increment(ref captures);
                        Thread.Sleep(1);
                        return Volatile.Read(ref inside);
                    });
                }
                Interlocked.Increment(ref inside);
                Thread.SpinWait(100);
            }
            Interlocked.Decrement(ref inside);
        })).ToArray();
        foreach (var run in runs)
            run.Start();
        foreach (var run in runs)
            Assert.IsTrue(run.Join(TimeSpan.FromMinutes(2)), "a run waits for ever");
        Assert.AreEqual(Captures, captures);
        Assert.AreEqual(0, seen, "runs were at work during a capture");
    }

    [TestMethod]
    public void WhoWaitsForAnotherRunLetsItCapture()
    {
        using var done = new ManualResetEventSlim();
        using var waiting = new ManualResetEventSlim();
        var waiter = new Thread(() =>
        {
            using var gate = CudaGate.Enter();
            CudaGate.Wait(() =>
            {
                waiting.Set();
                done.Wait();
            });
        });
        waiter.Start();
        waiting.Wait();
        using (CudaGate.Enter())
            Assert.AreEqual(7, CudaGate.Alone(() => 7));
        done.Set();
        Assert.IsTrue(waiter.Join(TimeSpan.FromMinutes(2)));
    }

    [TestMethod]
    public void OutsideTheGateNothingHappens()
    {
        CudaGate.StepAside();
        Assert.AreEqual(1, CudaGate.Alone(() => 1));
    }
}
