using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Running;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>Rates swept with the first seeds, the others at the rate selected.</summary>
[TestClass]
public class TwoStageGridTests
{
    private readonly GridPlan _plan = RunGrid.Plan(TestRuns.Spec() with
    {
        Initializations = [LoraInitialization.Kaiming(), LoraInitialization.Pissa()],
        LearningRates = [1e-4, 1e-3, 1e-2],
        Seeds = [5, 6, 7],
        SweepSeeds = 1,
    });

    private string _folder = "";

    [TestInitialize]
    public void Create() => _folder = TestRuns.NewFolder();

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void TheOtherSeedsRunAtTheSelectedRateAlone()
    {
        var store = new RunStore(_folder);
        var observer = new RecordingObserver();
        Assert.AreEqual(new GridSummary(20, 0, 0), Run(store, observer: observer));
        var records = store.ReadAll();
        Assert.AreEqual(_plan.Count, records.Count);
        foreach (var group in records.GroupBy(r => GridPlan.GroupOf(r.Config)))
        {
            CollectionAssert.AreEquivalent(new[] { 1e-4, 1e-3, 1e-2 }, group.Where(r => r.Config.Seed == 5).Select(r => r.Config.LearningRate).ToArray());
            CollectionAssert.AreEquivalent(new[] { (6, Best(group.Key)), (7, Best(group.Key)) }, group.Where(r => r.Config.Seed != 5).Select(r => (r.Config.Seed, r.Config.LearningRate)).ToArray());
        }
        // The sweep first, then seed by seed over the groups.
        CollectionAssert.AreEqual(
            Enumerable.Repeat(5, 12).Concat(Enumerable.Repeat(6, 4)).Concat(Enumerable.Repeat(7, 4)).ToArray(), observer.StartedRuns.Select(r => r.Seed).ToArray());
        Assert.AreEqual(new GridSummary(0, 0, 20), Run(store));
    }

    [TestMethod]
    public void TheReportSelectsTheRateThatTheSecondStageRanAt()
    {
        var store = new RunStore(_folder);
        Run(store);
        store.Write(_plan);
        var section = ReportBuilder.Build(store.ReadAll(), store.ReadPlans()).Sections.Single();
        foreach (var (row, task) in section.Rows.SelectMany(r => section.Tasks.Select(t => (r, t))))
        {
            Assert.AreEqual(Best(TestRuns.Config(task, row.Label)), row.Cells[task].Rate);
            Assert.AreEqual(3, row.Cells[task].Spread.Count);
            Assert.AreEqual(0, row.Planned[task].Missing.Count);
        }
        var markdown = MarkdownReport.Write(ReportBuilder.Build(store.ReadAll(), store.ReadPlans()));
        StringAssert.Contains(markdown, "The rates were swept with the first seed; the other seeds ran at the selected rate alone.");
        Assert.IsFalse(markdown.Contains("issing", StringComparison.Ordinal));
    }

    [TestMethod]
    public void LaterSeedsHaveNoSayInTheRate()
    {
        // The later seeds at 1e-3 are bad; a mean over all seeds would select another rate.
        var records = new[] { (1e-3, 0, 0.8), (1e-2, 0, 0.7), (1e-3, 1, 0.1), (1e-3, 2, 0.1) }
            .Select(r => TestRuns.Finished(TestRuns.Config(rate: r.Item1, seed: r.Item2), r.Item3)).ToArray();
        var best = RateSelection.Best(RateSelection.Results(records))!;
        Assert.AreEqual(1e-3, best.Rate);
        Assert.AreEqual(3, best.Spread.Count);
        // With no seed in common each rate speaks for itself.
        Assert.AreEqual(1e-2, RateSelection.Best(RateSelection.Results(records[1..2].Append(TestRuns.Finished(TestRuns.Config(rate: 1e-3, seed: 1), 0.1))))!.Rate);
    }

    [TestMethod]
    public void StoppedAnywhereAndStartedAgainItEndsTheSame()
    {
        var whole = new RunStore(Path.Combine(_folder, "whole"));
        Run(whole);
        foreach (var after in new[] { 3, 12, 15 })
        {
            var store = new RunStore(Path.Combine(_folder, $"{after}"));
            using var source = new CancellationTokenSource();
            var ended = 0;
            Assert.ThrowsExactly<OperationCanceledException>(() => new GridRunner(store, Executor(c =>
            {
                if (ended++ == after)
                    source.Cancel();
                source.Token.ThrowIfCancellationRequested();
                return Result(c);
            }), new RecordingObserver()).Run(new RunSchedule(GridPart.Of(_plan, Shard.Whole), store, false), source.Token));
            Assert.AreEqual(after, store.ReadAll().Count);
            Assert.AreEqual(new GridSummary(20 - after, 0, after), Run(store));
            CollectionAssert.AreEqual(Outcome(whole), Outcome(store));
        }
    }

    [TestMethod]
    public void ShardsHoldWholeGroupsAndMergedEqualTheWhole()
    {
        var whole = new RunStore(Path.Combine(_folder, "whole"));
        Run(whole);
        string[] shards = [.. Enumerable.Range(0, 3).Select(i => Path.Combine(_folder, $"shard{i}"))];
        for (var i = 0; i < 3; i++)
        {
            var store = new RunStore(shards[i]);
            var part = GridPart.Of(_plan, new(i, 3));
            Assert.AreEqual(new GridSummary(part.Count, 0, 0), Run(store, part, parallel: 2));
            Assert.IsTrue(store.ReadAll().GroupBy(r => GridPlan.GroupOf(r.Config)).All(g => g.Count() == 5), "a group is split");
            store.Write(_plan);
        }
        var merged = Path.Combine(_folder, "merged");
        RunMerge.Merge(shards, merged);
        CollectionAssert.AreEqual(Outcome(whole), Outcome(new(merged)));
        Assert.AreEqual(1, new RunStore(merged).ReadPlans().Count);
    }

    [TestMethod]
    public void AGroupWithoutAFinishedSweepHasNoSecondStage()
    {
        var store = new RunStore(_folder);
        var summary = Run(store, executor: Executor(c => c.Initialization == "pissa" && c.Task == "rte" ? throw new InvalidOperationException("no") : Result(c)));
        Assert.AreEqual(new GridSummary(15, 3, 0, Missing: 2), summary);
        store.Write(_plan);
        var markdown = MarkdownReport.Write(ReportBuilder.Build(store.ReadAll(), store.ReadPlans()));
        StringAssert.Contains(markdown, "| pissa | RTE | 2 | 5 | the rate to be selected, seed 6, 7 |");
        StringAssert.Contains(markdown, "2 of 5 runs missing");
        Assert.AreEqual(new GridSummary(5, 0, 15), new GridRunner(store, Executor(), new RecordingObserver()) { RetryFailed = true }
            .Run(new RunSchedule(GridPart.Of(_plan, Shard.Whole), store, true), default));
    }

    [TestMethod]
    public void NoRunStartsAfterTheTimeBudgetAndTheReportSaysWhatIsMissing()
    {
        var store = new RunStore(_folder);
        var clock = new SettableClock();
        var runner = new GridRunner(store, Executor(c =>
        {
            clock.Now += TimeSpan.FromMinutes(1);
            return Result(c);
        }), new RecordingObserver())
        { TimeBudget = TimeSpan.FromMinutes(10), Clock = clock };
        Assert.AreEqual(new GridSummary(10, 0, 0, Missing: 10), runner.Run(new RunSchedule(GridPart.Of(_plan, Shard.Whole), store, false), default));
        store.Write(_plan);
        // Two rates of every group and the last one of two: all strategies and tasks have got equally far.
        var model = ReportBuilder.Build(store.ReadAll(), store.ReadPlans());
        Assert.AreEqual(10, model.Sections.Single().Rows.Sum(r => r.Planned.Values.Sum(m => m.Missing.Count)));
        Assert.IsTrue(model.Sections.Single().Rows.All(r => r.Cells.Count == 2 && r.Cells.Values.All(c => c.Rates.Count >= 2)));
        StringAssert.Contains(MarkdownReport.Write(model), "of 5 runs missing");
        Assert.AreEqual(new GridSummary(10, 0, 10), Run(store));
    }

    [TestMethod]
    public void ARunOverItsTimeLimitFailsAloneAndKeepsItsCheckpoints()
    {
        var store = new RunStore(_folder);
        var slow = RunGrid.Cells(_plan)[1];
        var executor = new WaitingExecutor(c => c == slow);
        var runner = new GridRunner(store, executor, new RecordingObserver()) { RunTimeLimit = TimeSpan.FromMilliseconds(200) };
        Assert.AreEqual(new GridSummary(2, 1, 0), runner.Run([.. RunGrid.Cells(_plan).Take(3)], default));
        StringAssert.Contains(store.Find(slow)!.ExitReason, "--run-time-limit");
        Assert.IsTrue(Directory.Exists(store.WorkDirectory(slow)));
    }

    [TestMethod]
    public void RunsStartRoundRobin()
    {
        var order = RunOrder.Balanced(RunGrid.Cells(_plan with { SweepSeeds = null }));
        CollectionAssert.AreEquivalent(RunGrid.Cells(_plan with { SweepSeeds = null }).ToList(), order.ToList());
        CollectionAssert.AreEqual(
            new[] { "cola kaiming 0.0001 5", "rte pissa 0.0001 5", "rte kaiming 0.0001 5", "cola pissa 0.0001 5", "cola kaiming 0.001 5" },
            order.Take(5).Select(c => FormattableString.Invariant($"{c.Task} {c.Initialization} {c.LearningRate} {c.Seed}")).ToArray());
        CollectionAssert.AreEqual(order.ToList(), RunOrder.Balanced(order).ToList());
    }

    private GridSummary Run(RunStore store, GridPart? part = null, int parallel = 1, RecordingObserver? observer = null, IRunExecutor? executor = null) =>
        new GridRunner(store, executor ?? Executor(), observer ?? new RecordingObserver()) { MaxParallel = parallel }
            .Run(new RunSchedule(part ?? GridPart.Of(_plan, Shard.Whole), store, false), default);

    // Each strategy and task has a rate of its own that is best.
    private static double Best(RunConfig group) => (group.Task, group.Initialization) switch
    {
        ("cola", "kaiming") => 1e-4,
        ("cola", _) => 1e-3,
        (_, "kaiming") => 1e-2,
        _ => 1e-3,
    };

    private static RunRecord Result(RunConfig config) =>
        TestRuns.Finished(config, (config.LearningRate.Equals(Best(config)) ? 0.8 : 0.7) - 0.05 * config.Seed);

    private static FunctionExecutor Executor(Func<RunConfig, RunRecord>? run = null) => new((config, _) => (run ?? Result)(config));

    private static string[] Outcome(RunStore store) => [.. store.ReadAll().Select(r => FormattableString.Invariant($"{r.Config.Name()} {r.Metric}"))];

    private sealed class SettableClock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }

    private sealed class WaitingExecutor(Func<RunConfig, bool> waits) : IRunExecutor
    {
        public RunEnvironment Environment(int slot) => RunEnvironment.Current("cpu");

        public RunRecord Execute(RunConfig config, string workDirectory, int slot, CancellationToken cancellation)
        {
            if (waits(config))
            {
                cancellation.WaitHandle.WaitOne();
                cancellation.ThrowIfCancellationRequested();
            }
            return Result(config);
        }
    }
}
