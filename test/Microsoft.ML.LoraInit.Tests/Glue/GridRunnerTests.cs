using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Running;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class GridRunnerTests
{
    private readonly IReadOnlyList<RunConfig> _cells = RunGrid.Cells(TestRuns.Spec());
    private string _folder = "";

    [TestInitialize]
    public void Create() => _folder = TestRuns.NewFolder();

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void FinishedRunsAreSkipped()
    {
        var store = new RunStore(_folder);
        store.Write(TestRuns.Finished(_cells[3], 0.9));
        var observer = new RecordingObserver();
        var summary = new GridRunner(store, Executor(), observer) { Command = "glue x" }.Run(_cells, default);
        Assert.AreEqual(new GridSummary(7, 0, 1), summary);
        CollectionAssert.DoesNotContain(observer.StartedRuns, _cells[3]);
        Assert.AreEqual("glue x", store.Find(_cells[0])!.Command);
        Assert.AreEqual(0.9, store.Find(_cells[3])!.Metric);
        Assert.AreEqual(new GridSummary(0, 0, 8), new GridRunner(store, Executor(), observer).Run(_cells, default));
    }

    [TestMethod]
    public void AFailureIsRecordedAndTheRestGoesOn()
    {
        var store = new RunStore(_folder);
        var failing = Executor(c => c == _cells[1] ? throw new InvalidOperationException("no\nluck") : TestRuns.Finished(c, 0.5));
        var summary = new GridRunner(store, failing, new RecordingObserver()).Run(_cells, default);
        Assert.AreEqual(new GridSummary(7, 1, 0), summary);
        Assert.AreEqual("InvalidOperationException: no luck", store.Find(_cells[1])!.ExitReason);

        Assert.AreEqual(new GridSummary(0, 1, 7), new GridRunner(store, Executor(), new RecordingObserver()).Run(_cells, default));
        Assert.AreEqual(new GridSummary(1, 0, 7), new GridRunner(store, Executor(), new RecordingObserver()) { RetryFailed = true }.Run(_cells, default));
        Assert.AreEqual(RunStatus.Finished, store.Find(_cells[1])!.Status);
    }

    [TestMethod]
    public void CancellationRecordsNothingForTheRunItStops()
    {
        var store = new RunStore(_folder);
        using var source = new CancellationTokenSource();
        var executor = Executor(c =>
        {
            if (c == _cells[2])
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }
            return TestRuns.Finished(c, 0.5);
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => new GridRunner(store, executor, new RecordingObserver()).Run(_cells, source.Token));
        Assert.AreEqual(2, store.ReadAll().Count);
        Assert.IsTrue(Directory.Exists(store.WorkDirectory(_cells[2])), "the checkpoints must stay");
        Assert.AreEqual(new GridSummary(6, 0, 2), new GridRunner(store, Executor(), new RecordingObserver()).Run(_cells, default));
        Assert.AreEqual(2, store.Find(_cells[2])!.Attempts);
        Assert.IsFalse(Directory.Exists(store.WorkDirectory(_cells[2])));
    }

    [TestMethod]
    public void SeveralAtATimeRunEachCellOnce()
    {
        var store = new RunStore(_folder);
        var counts = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        var together = new Barrier(2);
        var executor = Executor(c =>
        {
            counts.AddOrUpdate(c.Name(), 1, (_, n) => n + 1);
            Assert.IsTrue(together.SignalAndWait(TimeSpan.FromMinutes(2)), "runs are not in parallel");
            return TestRuns.Finished(c, 0.5);
        });
        var summary = new GridRunner(store, executor, new RecordingObserver()) { MaxParallel = 2 }.Run(_cells, default);
        Assert.AreEqual(new GridSummary(8, 0, 0), summary);
        Assert.IsTrue(counts.Values.All(n => n == 1));
    }

    [TestMethod]
    public void ARunThatAnotherHoldsIsLeftToIt()
    {
        var store = new RunStore(_folder);
        var observer = new RecordingObserver();
        using (RunClaim.Try(store.WorkDirectory(_cells[0])))
            Assert.AreEqual(new GridSummary(7, 0, 0, Elsewhere: 1), new GridRunner(store, Executor(), observer).Run(_cells, default));
        CollectionAssert.AreEqual(new[] { _cells[0] }, observer.LeftRuns);
        Assert.AreEqual(new GridSummary(1, 0, 7), new GridRunner(store, Executor(), observer).Run(_cells, default));
    }

    [TestMethod]
    public void AFullDiskEndsTheGridAndIsNoRunsFailure()
    {
        var store = new RunStore(_folder);
        var full = Executor(c => c == _cells[1] ? throw new IOException("No space left on device", OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28) : TestRuns.Finished(c, 0.5));
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => new GridRunner(store, full, new RecordingObserver()).Run(_cells, default)).Message, "No space");
        Assert.AreEqual(_cells[0], store.ReadAll().Single().Config);
        Assert.AreEqual(new GridSummary(7, 0, 1), new GridRunner(store, Executor(), new RecordingObserver()).Run(_cells, default));
    }

    [TestMethod]
    public void AnUnreadableRunFileStopsTheGridBeforeItStarts()
    {
        var store = new RunStore(_folder);
        Directory.CreateDirectory(store.RunsDirectory);
        File.WriteAllText(store.PathOf(_cells[7]), "{");
        var observer = new RecordingObserver();
        Assert.ThrowsExactly<RunFileException>(() => new GridRunner(store, Executor(), observer).Run(_cells, default));
        Assert.AreEqual(0, observer.StartedRuns.Count);
    }

    private static FunctionExecutor Executor(Func<RunConfig, RunRecord>? run = null) =>
        new((config, _) => run is null ? TestRuns.Finished(config, 0.5) : run(config));
}
