using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Turns run records into what a report says.</summary>
internal static class ReportBuilder
{
    /// <summary>LoRA as published: the row that others are compared with.</summary>
    private const string ReferenceInitialization = "kaiming";

    /// <param name="records">The runs that ended.</param>
    /// <param name="plans">What was asked for; null where that is not known, and nothing is then said to be missing.</param>
    /// <param name="peers">PEFT's figures; null for none.</param>
    /// <exception cref="ArgumentException">There are no runs.</exception>
    public static ReportModel Build(IReadOnlyList<RunRecord> records, IReadOnlyList<GridPlan>? plans = null, PeerFigures? peers = null)
    {
        if (records.Count == 0)
            throw new ArgumentException("There are no runs to report on.", nameof(records));
        return new(
            [.. records.GroupBy(r => Base(r.Config)).Select(g => BuildSection(g.Key, Title(g.Key, records), [.. g], plans ?? [], peers ?? PeerFigures.None))],
            [.. records.Where(r => r.Status == RunStatus.Failed)],
            [.. records.Select(r => r.Command).OfType<string>().Distinct().Order(StringComparer.Ordinal)],
            [.. records.Select(r => r.Environment).Distinct()],
            records.Count);
    }

    private static (string Name, string Sha256) Base(RunConfig config) => (config.BaseModel, config.BaseModelSha256);

    // Folders of one name may hold different weights.
    private static string Title((string Name, string Sha256) baseModel, IReadOnlyList<RunRecord> records) =>
        records.All(r => r.Config.BaseModel != baseModel.Name || r.Config.BaseModelSha256 == baseModel.Sha256) ? baseModel.Name
        : baseModel.Sha256.Length == 0 ? $"{baseModel.Name} (SHA-256 unknown)" : $"{baseModel.Name} (SHA-256 {baseModel.Sha256[..Math.Min(8, baseModel.Sha256.Length)]}…)";

    private static Section BuildSection((string Name, string Sha256) baseModel, string title, IReadOnlyList<RunRecord> records, IReadOnlyList<GridPlan> plans, PeerFigures peers)
    {
        var planned = Coverage.Of(plans, records).Where(m => Base(m.Group) == baseModel).ToArray();
        // Groups of which nothing has ended yet are rows and columns too.
        RunConfig[] configs = [.. records.Select(r => r.Config), .. planned.Select(m => m.Group)];
        var labels = new StrategyLabels(configs);
        string[] tasks = [.. configs.Select(c => c.Task).Distinct().OrderBy(TaskNames.Order).ThenBy(t => t, StringComparer.Ordinal)];
        var metrics = records.Where(r => r.MetricName is not null).GroupBy(r => r.Config.Task).ToDictionary(g => g.Key, g => g.First().MetricName!);
        var data = records.Where(r => r.Data is not null).GroupBy(r => r.Config.Task).ToDictionary(g => g.Key, g => g.First().Data!);
        var byLabel = records.ToLookup(r => labels.Of(r.Config));
        var groups = configs.GroupBy(labels.Of)
            .OrderBy(g => RowOrder(g.First())).ThenBy(g => g.First().Rank).ThenBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => (Label: g.Key, Config: g.First(), Cells: Cells([.. byLabel[g.Key]])))
            .ToArray();
        var rows = new List<Row>();
        foreach (var (label, config, cells) in groups)
        {
            var reference = groups.Where(g => IsReference(g.Config) && Comparable(g.Config, config) && labels.SameRecipe(g.Config, config)).Select(g => g.Cells).FirstOrDefault();
            var isReference = ReferenceEquals(reference, cells);
            var compared = reference is null || isReference ? null : reference;
            rows.Add(new Row
            {
                Label = label,
                IsReference = isReference,
                Cells = cells.ToDictionary(c => c.Key, c => compared is not null && compared.TryGetValue(c.Key, out var other)
                    ? c.Value with { Difference = PairedT.Of([.. Differences(c.Value, other).Values]) }
                    : c.Value),
                Planned = planned.Where(m => labels.Of(m.Group) == label).ToDictionary(m => m.Group.Task),
                Peers = PeersOf(cells.Keys.ToDictionary(t => t, t => byLabel[label].First(r => r.Config.Task == t).Config), data, peers),
                Average = Average(cells, tasks),
                Difference = compared is null ? null : PairedT.Of(OverTasks([.. cells.Where(c => compared.ContainsKey(c.Key)).Select(c => Differences(c.Value, compared[c.Key]))])),
            });
        }
        var sweeps = plans.Where(p => p.Groups.Any(g => Base(g) == baseModel)).Select(p => p.SweepSeeds).OfType<int>().ToArray();
        return new(title, tasks, metrics, data, Corrected(rows, tasks), PublishedFigures.For(baseModel.Name), sweeps.Length == 0 ? null : sweeps.Min());
    }

    private static Dictionary<string, PeerCell> PeersOf(Dictionary<string, RunConfig> row, Dictionary<string, RunData> data, PeerFigures peers) => row
        .Select(t => (Task: t.Key, Peer: peers.For(t.Value, data.GetValueOrDefault(t.Key))))
        .Where(p => p.Peer is not null)
        .ToDictionary(p => p.Task, p => p.Peer!);

    private static Dictionary<string, Cell> Cells(IReadOnlyList<RunRecord> row)
    {
        var cells = new Dictionary<string, Cell>();
        foreach (var task in row.GroupBy(r => r.Config.Task))
        {
            var rates = RateSelection.Results(task);
            if (RateSelection.Best(rates) is not { } best)
                continue;
            RunRecord[] runs = [.. task.Where(r => r.Status == RunStatus.Finished && r.Config.LearningRate.Equals(best.Rate)).OrderBy(r => r.Config.Seed)];
            cells[task.Key] = new Cell
            {
                Rate = best.Rate,
                BySeed = best.BySeed,
                Spread = best.Spread,
                Rates = rates,
                Curve = Curve(runs),
                Costs = CostsOf(runs),
                FactorizationError = Mean(runs.Select(r => r.FactorizationError)),
            };
        }
        return cells;
    }

    private static SortedDictionary<int, double> Differences(Cell cell, Cell reference) =>
        new(cell.BySeed.Where(s => reference.BySeed.ContainsKey(s.Key)).ToDictionary(s => s.Key, s => s.Value - reference.BySeed[s.Key]));

    // Of the seeds that have every task: each gives one mean over the tasks, and the interval speaks of these tasks and no others.
    private static double[] OverTasks(IReadOnlyList<SortedDictionary<int, double>> tasks) =>
        tasks.Count == 0 ? [] : [.. tasks[0].Keys.Where(seed => tasks.All(t => t.ContainsKey(seed))).Select(seed => tasks.Average(t => t[seed]))];

    private static IReadOnlyList<Row> Corrected(IReadOnlyList<Row> rows, string[] tasks)
    {
        var corrected = new Queue<Difference?>(PairedT.Correct(
            [.. rows.SelectMany(row => tasks.Select(t => row.Cells.GetValueOrDefault(t)?.Difference).Append(row.Difference))]));
        return [.. rows.Select(row =>
        {
            var cells = new Dictionary<string, Cell>();
            foreach (var task in tasks)
            {
                var difference = corrected.Dequeue();
                if (row.Cells.TryGetValue(task, out var cell))
                    cells[task] = cell with { Difference = difference };
            }
            return row with { Cells = cells, Difference = corrected.Dequeue() };
        })];
    }

    private static Spread? Average(Dictionary<string, Cell> cells, string[] tasks)
    {
        if (tasks.Any(t => !cells.ContainsKey(t)))
            return null;
        var mean = tasks.Average(t => cells[t].Spread.Mean);
        var seeds = tasks.Select(t => cells[t].BySeed.Keys.AsEnumerable()).Aggregate((a, b) => a.Intersect(b));
        double[] bySeed = [.. seeds.Order().Select(s => tasks.Average(t => cells[t].BySeed[s]))];
        return new(mean, Spread.Of(bySeed).Deviation, bySeed.Length);
    }

    private static List<CurvePoint> Curve(RunRecord[] runs) =>
    [
        .. runs.SelectMany(r => r.Epochs.Select(e => (Epoch: e, r.MetricName)))
            .GroupBy(e => e.Epoch.Epoch)
            .OrderBy(g => g.Key)
            .Select(g => new CurvePoint(
                g.Key,
                Mean(g.Select(e => e.MetricName is not null && e.Epoch.Metrics.TryGetValue(e.MetricName, out var m) ? m : (double?)null)),
                Mean(g.Select(e => e.Epoch.TrainLoss)))),
    ];

    private static Costs CostsOf(RunRecord[] runs) => new(
        runs.Average(r => r.Timings.Preparation),
        runs.Average(r => r.Timings.Training),
        Mean(runs.Select(r => r.Timings.Evaluation)),
        Mean(runs.Select(r => r.TrainSamplesPerSecond)),
        runs.Max(r => r.Memory.Process),
        runs.Max(r => r.Memory.Device),
        runs.Max(r => r.Memory.RunsInParallel),
        runs[0].TrainableParameters);

    private static double? Mean(IEnumerable<double?> values)
    {
        double[] known = [.. values.OfType<double>().Where(double.IsFinite)];
        return known.Length == 0 ? null : known.Average();
    }

    private static bool IsReference(RunConfig config) =>
        config.Method == Methods.Lora && config.Initialization == ReferenceInitialization;

    // LoRA at the same rank, and of the same recipe where there are several; what has no rank is compared with the first LoRA row.
    private static bool Comparable(RunConfig reference, RunConfig config) =>
        config.Rank == 0 || (reference.Rank == config.Rank && reference.Alpha.Equals(config.Alpha));

    // Other methods first, as papers print them, then LoRA, then its initialisations by name.
    private static int RowOrder(RunConfig config) => config switch
    {
        _ when !Methods.HasAdapters(config.Method) => 0,
        _ when IsReference(config) => 1,
        { Method: Methods.Lora } => 2,
        _ => 3,
    };
}
