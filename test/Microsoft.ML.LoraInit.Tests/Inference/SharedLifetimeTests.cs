using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
public sealed class SharedLifetimeTests
{
    [TestMethod]
    public void TheLastUserFrees()
    {
        int freed = 0;
        var lifetime = new SharedLifetime(() => freed++, "thing");
        var first = lifetime.Enter();
        var second = lifetime.Enter();
        first.Dispose();
        lifetime.Close();
        lifetime.Close();
        Assert.AreEqual(0, freed);
        StringAssert.Contains(Assert.ThrowsExactly<ObjectDisposedException>(() => lifetime.Enter()).Message, "thing");
        second.Dispose();
        Assert.AreEqual(1, freed);
        Assert.ThrowsExactly<ObjectDisposedException>(() => lifetime.Enter());
    }

    [TestMethod]
    public void UsesEndBeforeTheMemoryGoes()
    {
        for (int round = 0; round < 200; round++)
        {
            int inside = 0, freedWhileInside = 0, freed = 0;
            var lifetime = new SharedLifetime(() =>
            {
                freed++;
                freedWhileInside += Volatile.Read(ref inside);
            }, "thing");
            Parallel.For(0, 16, i =>
            {
                if (i == 8)
                    lifetime.Close();
                try
                {
                    using var use = lifetime.Enter();
                    Interlocked.Increment(ref inside);
                    Thread.SpinWait(50);
                    Interlocked.Decrement(ref inside);
                }
                catch (ObjectDisposedException)
                {
                    // After Close.
                }
            });
            Assert.AreEqual((1, 0), (freed, freedWhileInside));
        }
    }
}
