using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Running;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>Several processes on one folder of results: what one ends while another looks at it.</summary>
[TestClass]
public sealed class RunClaimTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void OneIsEndedWhileOthersAskForIt()
    {
        var work = _folder.File("work");
        int held = 0, ended = 0;
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ =>
        {
            for (var i = 0; i < 300; i++)
            {
                using var claim = RunClaim.Try(work);
                claim?.Done();
                Interlocked.Increment(ref (claim is null ? ref held : ref ended));
            }
        });
        Assert.AreEqual(1200, held + ended);
        Assert.IsFalse(Directory.Exists(work));
    }

    [TestMethod]
    public void WhoeverLooksWhileCheckpointsGoLeavesNoFolder()
    {
        for (var round = 0; round < 60; round++)
        {
            var work = _folder.File($"work{round}");
            foreach (var i in Enumerable.Range(0, 40))
                Directory.CreateDirectory(Path.Combine(work, "checkpoint", $"{i}"));
            using var together = new Barrier(3);
            var ended = RunClaim.Try(work)!;
            ended.CountAttempt();
            Task.WaitAll([.. Enumerable.Range(0, 3).Select(i => OwnThread.Run(() =>
            {
                together.SignalAndWait();
                if (i == 0)
                    ended.Done();
                else
                    for (var look = 0; look < 40; look++)
                        using (var claim = RunClaim.Try(work))
                            claim?.Leave();
            }))]);
            Assert.IsFalse(Directory.Exists(work), $"round {round}");
        }
    }

    [TestMethod]
    public void WhatAnotherHasEndedMeanwhileIsLeftWithoutATrace()
    {
        var (store, cells) = Grid();
        var schedule = new GridRunner(store, Executor(), new RecordingObserver()).Schedule(GridPart.Of(cells));
        store.Write(TestRuns.Finished(cells[0], 0.75));
        Assert.AreEqual(new GridSummary(7, 0, 1), new GridRunner(store, Executor(), new RecordingObserver()).Run(schedule, default));
        Assert.AreEqual(0.75, store.Find(cells[0])!.Metric);
        Assert.AreEqual(0, Directory.GetDirectories(Path.Combine(store.Directory, "work")).Length);
    }

    [TestMethod]
    public void WhatAnotherHasTriedAgainIsNotTriedOnceMore()
    {
        var (store, cells) = Grid();
        store.Write(TestRuns.Failed(cells[0]));
        var runner = new GridRunner(store, Executor(), new RecordingObserver()) { RetryFailed = true };
        var schedule = runner.Schedule(GridPart.Of(cells));
        store.Write(TestRuns.Failed(cells[0]) with { FinishedAt = DateTimeOffset.UtcNow });
        Assert.AreEqual(new GridSummary(7, 0, 1), runner.Run(schedule, default));
        Assert.AreEqual(RunStatus.Failed, store.Find(cells[0])!.Status);
    }

    [TestMethod]
    public void CheckpointsOfARunThatWasRecordedAndKilledThenGo()
    {
        var (store, cells) = Grid();
        store.Write(TestRuns.Finished(cells[0], 0.75));
        Directory.CreateDirectory(Path.Combine(store.WorkDirectory(cells[0]), "checkpoint"));
        _ = new GridRunner(store, Executor(), new RecordingObserver()).Run(cells, default);
        Assert.IsFalse(Directory.Exists(store.WorkDirectory(cells[0])));
    }

    [TestMethod]
    public void WhatAStartTakesIsNotTheRunsTime()
    {
        var (store, cells) = Grid();
        var runner = new GridRunner(store, new PreparingExecutor(), new RecordingObserver()) { RunTimeLimit = TimeSpan.FromMilliseconds(500) };
        Assert.AreEqual(new GridSummary(1, 0, 0), runner.Run([cells[0]], default));
    }

    [TestMethod]
    public void AStartIsMadeOnceAndNothingElseStays()
    {
        var maker = TestRuns.Config("mnli");
        var starts = new InitialAdapterFolders(_folder.Path, new Dictionary<string, RunConfig> { [maker.Name()] = maker });
        var made = 0;
        for (var i = 0; i < 3; i++)
            _ = starts.Folder(TestRuns.Config("rte") with { Start = maker.Name() }, Make, default);
        Assert.AreEqual(1, made);
        Assert.AreEqual(maker.Name(), Path.GetFileName(Directory.GetDirectories(_folder.File("starts")).Single()));

        void Make((RunConfig Config, string Folder, string Checkpoints) asked)
        {
            made++;
            Directory.CreateDirectory(asked.Folder);
            File.WriteAllText(Path.Combine(asked.Folder, "adapter_config.json"), "{}");
        }
    }

    [TestMethod]
    public void WaitingForAnothersStartEndsWithTheCommand()
    {
        var maker = TestRuns.Config("mnli");
        var starts = new InitialAdapterFolders(_folder.Path, new Dictionary<string, RunConfig> { [maker.Name()] = maker });
        using var another = RunClaim.Try(Path.Combine(_folder.Path, "starts", maker.Name() + ".work"));
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        Assert.ThrowsExactly<OperationCanceledException>(() => starts.Folder(TestRuns.Config("rte") with { Start = maker.Name() }, _ => { }, stop.Token));
    }

    private (RunStore Store, IReadOnlyList<RunConfig> Cells) Grid() => (new(_folder.File("results")), RunGrid.Cells(TestRuns.Spec()));

    private static FunctionExecutor Executor() => new((config, _) => TestRuns.Finished(config, 0.5));

    /// <summary>Takes longer before the run than the run may.</summary>
    private sealed class PreparingExecutor : IRunExecutor
    {
        public RunEnvironment Environment(int slot) => RunEnvironment.Current("cpu");

        public void Prepare(RunConfig config, int slot, CancellationToken cancellation) => cancellation.WaitHandle.WaitOne(TimeSpan.FromSeconds(1));

        public RunRecord Execute(RunConfig config, string workDirectory, int slot, CancellationToken cancellation)
        {
            cancellation.ThrowIfCancellationRequested();
            return TestRuns.Finished(config, 0.5);
        }
    }
}
