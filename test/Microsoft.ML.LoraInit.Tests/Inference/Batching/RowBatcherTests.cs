using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Inference.Batching;

[TestClass]
public sealed class RowBatcherTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [TestMethod]
    public void ARowAloneIsScoredAtOnceOnItsOwnThread()
    {
        int thread = 0;
        var batcher = new RowBatcher(
            texts =>
            {
                thread = Environment.CurrentManagedThreadId;
                return Echo(texts);
            },
            new());

        Assert.AreEqual(7, batcher.Score(Text(7))[0]);

        Assert.AreEqual(Environment.CurrentManagedThreadId, thread);
    }

    [TestMethod]
    public void RowsThatArriveMeanwhileAreScoredTogetherInTheirOrder()
    {
        using var model = new BlockingModel();
        var batcher = new RowBatcher(model.Score, new());
        var callers = model.FillQueue(batcher, [1, 2, 3, 4, 5]);

        model.Open();

        CollectionAssert.AreEqual(new[] { 0f, 1, 2, 3, 4, 5 }, callers.Select(c => Result(c)).ToArray());
        Assert.AreEqual("0 | 1,2,3,4,5", model.Log);
    }

    [TestMethod]
    public void ABatchHasAtMostTheRowsAllowedAndNobodyIsOvertaken()
    {
        using var model = new BlockingModel();
        var batcher = new RowBatcher(model.Score, new() { MaxBatch = 2 });
        var callers = model.FillQueue(batcher, [1, 2, 3, 4, 5]);

        model.Open();

        Assert.IsTrue(Task.WaitAll(callers, Patience));
        Assert.AreEqual("0 | 1,2 | 3,4 | 5", model.Log);
    }

    [TestMethod]
    public void SeveralBatchesShareTheQueue()
    {
        using var model = new BlockingModel();
        var batcher = new RowBatcher(model.Score, new() { MaxConcurrency = 2 });
        var first = OwnThread.Run(() => batcher.Score(Text(0)));
        var second = OwnThread.Run(() => batcher.Score(Text(0)));
        model.WaitFor(2);
        var callers = model.Enqueue(batcher, [1, 2, 3, 4]);

        model.Open();

        CollectionAssert.AreEqual(new[] { 1f, 2, 3, 4 }, callers.Select(c => Result(c)).ToArray());
        Assert.IsTrue(Task.WaitAll([first, second], Patience));
        Assert.IsTrue(model.Batches.All(b => b.Length <= 2), model.Log);
    }

    [TestMethod]
    public void AnErrorReachesTheRowThatCausesItAlone()
    {
        using var model = new BlockingModel { Refused = 3 };
        var batcher = new RowBatcher(model.Score, new());
        var callers = model.FillQueue(batcher, [1, 2, 3, 4]);

        model.Open();

        foreach (int i in (int[])[0, 1, 2, 4])
            Assert.AreEqual(i, Result(callers[i]));
        Assert.AreEqual("row 3", Assert.ThrowsExactly<FormatException>(() => Result(callers[3])).Message);
        Assert.AreEqual(9, batcher.Score(Text(9))[0], "the next row is scored");
        Assert.ThrowsExactly<FormatException>(() => batcher.Score(Text(3)), "also alone");
        Assert.AreEqual(9, batcher.Score(Text(9))[0]);
    }

    [TestMethod]
    public void ACancelledCallerLeavesTheQueueToTheOthers()
    {
        using var model = new BlockingModel();
        var batcher = new RowBatcher(model.Score, new() { MaxBatch = 2 });
        using var stop = new CancellationTokenSource();
        var callers = model.FillQueue(batcher, [1]);
        var cancelled = OwnThread.Run(() => batcher.Score(Text(2), stop.Token));
        Assert.IsTrue(SpinWait.SpinUntil(() => batcher.Waiting == 2, Patience));
        var last = model.Enqueue(batcher, [3]);

        stop.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => cancelled.GetAwaiter().GetResult(), "before the model is free");
        model.Open();

        Assert.IsTrue(Task.WaitAll([.. callers, .. last], Patience));
        Assert.AreEqual("0 | 1,3", model.Log);
        Assert.ThrowsExactly<OperationCanceledException>(() => batcher.Score(Text(4), new CancellationToken(true)));
    }

    [TestMethod]
    public void AnInterruptedCallerBlocksNobody()
    {
        using var model = new BlockingModel();
        var batcher = new RowBatcher(model.Score, new());
        var callers = model.FillQueue(batcher, []);
        var interrupted = false;
        var thread = new Thread(() =>
        {
            try
            {
                batcher.Score(Text(1));
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        thread.Start();
        Assert.IsTrue(SpinWait.SpinUntil(() => batcher.Waiting == 1, Patience));
        var other = model.Enqueue(batcher, [2]);

        thread.Interrupt();
        Assert.IsTrue(thread.Join(Patience));
        model.Open();

        Assert.IsTrue(interrupted);
        Assert.AreEqual(0, Result(callers[0]));
        Assert.AreEqual(2, Result(other[0]));
    }

    [TestMethod]
    public void AWaitGathersRowsUpToTheBatchAndNoLonger()
    {
        using var model = new BlockingModel();
        model.Open();
        var batcher = new RowBatcher(model.Score, new() { MaxBatch = 4, MaxWait = 2 * Patience, MaxConcurrency = 2 });

        var callers = Enumerable.Range(1, 4).Select(i => OwnThread.Run(() => batcher.Score(Text(i)))).ToArray();

        Assert.IsTrue(Task.WaitAll(callers, Patience), "a full batch does not wait");
        Assert.AreEqual(4, model.Batches.Sum(b => b.Length));
        Assert.AreEqual(1, model.Batches.Count, model.Log);
    }

    [TestMethod]
    public void AWaitEndsWithoutCompany()
    {
        var batcher = new RowBatcher(Echo, new() { MaxWait = TimeSpan.FromMilliseconds(30) });
        var watch = Stopwatch.StartNew();

        Assert.AreEqual(5, batcher.Score(Text(5))[0]);

        Assert.IsTrue(watch.ElapsedMilliseconds is >= 25 and < 120_000, $"{watch.ElapsedMilliseconds} ms");
    }

    [TestMethod]
    [DataRow(1, 64, 0)]
    [DataRow(1, 3, 0)]
    [DataRow(3, 4, 0)]
    [DataRow(2, 5, 1)]
    public void ManyThreadsGetTheirOwnRows(int concurrency, int maxBatch, int waitMilliseconds)
    {
        int running = 0, most = 0;
        var batcher = new RowBatcher(
            texts =>
            {
                int now = Interlocked.Increment(ref running);
                InterlockedMax(ref most, now);
                Thread.SpinWait(200);
                if (texts.Any(t => t.Ids[0] % 101 == 100))
                {
                    Interlocked.Decrement(ref running);
                    throw new FormatException($"row {texts.First(t => t.Ids[0] % 101 == 100).Ids[0]}");
                }
                var result = Echo(texts);
                Interlocked.Decrement(ref running);
                return result;
            },
            new() { MaxConcurrency = concurrency, MaxBatch = maxBatch, MaxWait = TimeSpan.FromMilliseconds(waitMilliseconds) });
        int errors = 0, cancelled = 0;
        var wrong = new ConcurrentBag<string>();
        const int Each = 150;
        var threads = Enumerable.Range(0, 8).Select(thread => new Thread(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                int row = (thread * Each) + i;
                using var stop = new CancellationTokenSource();
                if (i % 17 == 3)
                    stop.CancelAfter(0);
                try
                {
                    var score = batcher.Score(Text(row), stop.Token)[0];
                    if (score != row || row % 101 == 100)
                        wrong.Add($"{row} got {score}");
                }
                catch (FormatException e)
                {
                    Interlocked.Increment(ref errors);
                    if (e.Message != $"row {row}" || row % 101 != 100)
                        wrong.Add($"{row} got the error of {e.Message}");
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref cancelled);
                }
            }
        })).ToArray();

        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            Assert.IsTrue(thread.Join(Patience), "deadlock");

        Assert.AreEqual(0, wrong.Count, string.Join("; ", wrong.Take(5)));
        Assert.AreEqual(0, batcher.Waiting);
        Assert.IsTrue(most <= concurrency, $"{most} batches ran at once.");
        Assert.IsTrue(errors > 0);
        Assert.AreEqual(1, batcher.Score(Text(1))[0], "every place was given back");
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (int seen = Volatile.Read(ref target); seen < value; seen = Volatile.Read(ref target))
            Interlocked.CompareExchange(ref target, value, seen);
    }

    private static EncodedText Text(int row) => new([row]);

    private static float[][] Echo(IReadOnlyList<EncodedText> texts) => [.. texts.Select(t => new float[] { t.Ids[0] })];

    private static float Result(Task<float[]> caller) => caller.WaitAsync(Patience).GetAwaiter().GetResult()[0];

    /// <summary>A model that finishes nothing before it is opened.</summary>
    private sealed class BlockingModel : IDisposable
    {
        private readonly ManualResetEventSlim _open = new(false);
        private int _entered;

        public ConcurrentQueue<int[]> Batches { get; } = new();

        /// <summary>The batches that were scored, without those that failed.</summary>
        public string Log => string.Join(" | ", Batches.Select(b => string.Join(',', b)));

        public int? Refused { get; init; }

        public float[][] Score(IReadOnlyList<EncodedText> texts)
        {
            Interlocked.Increment(ref _entered);
            _open.Wait();
            if (texts.Any(t => t.Ids[0] == Refused))
                throw new FormatException($"row {Refused}");
            Batches.Enqueue([.. texts.Select(t => t.Ids[0])]);
            return Echo(texts);
        }

        /// <summary>Row 0 occupies the model, the others wait behind it in their order.</summary>
        public Task<float[]>[] FillQueue(RowBatcher batcher, int[] rows)
        {
            var first = OwnThread.Run(() => batcher.Score(Text(0)));
            WaitFor(1);
            return [first, .. Enqueue(batcher, rows)];
        }

        public Task<float[]>[] Enqueue(RowBatcher batcher, int[] rows) =>
        [
            .. rows.Select(row =>
            {
                int before = batcher.Waiting;
                var caller = OwnThread.Run(() => batcher.Score(Text(row)));
                Assert.IsTrue(SpinWait.SpinUntil(() => batcher.Waiting == before + 1, Patience));
                return caller;
            }),
        ];

        public void WaitFor(int calls) => Assert.IsTrue(SpinWait.SpinUntil(() => Volatile.Read(ref _entered) >= calls, Patience));

        public void Open() => _open.Set();

        public void Dispose()
        {
            _open.Set();
            _open.Dispose();
        }
    }
}
