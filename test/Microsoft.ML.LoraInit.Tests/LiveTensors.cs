using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests;

/// <summary>
/// How many tensors the process holds. What earlier tests left to the collector is among them until it comes, and so is what a thread
/// that is about to end still holds: both are waited for.
/// </summary>
internal static class LiveTensors
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Those left when collections free no more.</summary>
    public static long Count()
    {
        long least = Tensor.TotalCount;
        for (int same = 0; same < 2; same++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            if (Tensor.TotalCount < least)
                (least, same) = (Tensor.TotalCount, -1);
        }
        return Tensor.TotalCount;
    }

    /// <summary>
    /// How many tensors a round adds: the most of three, since a thread of an earlier test may end during one and what it held goes with it.
    /// </summary>
    public static long Added(Action<int> round)
    {
        long most = long.MinValue;
        for (int i = 0; i < 3; i++)
        {
            long before = Count();
            round(i);
            most = Math.Max(most, Count() - before);
        }
        return most;
    }

    /// <summary>
    /// Forgets a number of things, and more until no more tensors than that are alive: by collections that nobody asked for, which start
    /// with what is allocated and run in the background.
    /// </summary>
    public static void AssertCollected(long most, int things, Action<int> forget)
    {
        long before = Tensor.TotalCount;
        var end = DateTime.UtcNow + Patience;
        for (int i = 0; i < things || Tensor.TotalCount > most; i++)
        {
            Assert.IsTrue(i < things || DateTime.UtcNow < end, $"After {i} times {Tensor.TotalCount} tensors are alive, {before} were there before, at most {most} are to be");
            forget(i);
            Thread.Sleep(5 + (i / 10));
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Passes as soon as there are no more than that, without the collector's help.</summary>
    public static void AssertFreed(long most, string what) => Wait(most, what, () => { });

    /// <summary>Passes as soon as there are no more than were counted before.</summary>
    public static void AssertNoMoreThan(long before, string what = "tensors are left") => Wait(before, what, () => Count());

    private static void Wait(long most, string what, Action collect)
    {
        var end = DateTime.UtcNow + Patience;
        for (collect(); Tensor.TotalCount > most; collect())
        {
            Assert.IsTrue(DateTime.UtcNow < end, $"{what}: {Tensor.TotalCount} tensors are alive, at most {most} are to be");
            Thread.Sleep(5);
        }
    }
}
