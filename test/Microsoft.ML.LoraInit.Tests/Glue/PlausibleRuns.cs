using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>Records that look like those of a real grid, for the report's tests alone.</summary>
internal static class PlausibleRuns
{
    public static IReadOnlyList<RunRecord> Make(string baseModel, string[] tasks, string[] strategies, double[] rates, int[] seeds, int epochs = 8)
    {
        var records = new List<RunRecord>();
        foreach (var task in tasks)
            foreach (var (strategy, s) in strategies.Select((name, i) => (name, i)))
                foreach (var (rate, l) in rates.Select((rate, i) => (rate, i)))
                    foreach (var seed in seeds)
                    {
                        var random = new Random(unchecked((int)SeededRandom.Hash(7, FormattableString.Invariant($"{task} {s} {l} {seed}"))));
                        var method = strategy is "full" or "bitfit" ? strategy : Methods.Lora;
                        var config = TestRuns.Config(task, method == Methods.Lora ? strategy : Methods.NoInitialization, rate, seed, method) with { BaseModel = baseModel, Epochs = epochs };
                        var top = 0.55 + 0.05 * task.Length + 0.004 * s - 0.01 * Math.Abs(l - s % rates.Length) + 0.012 * random.NextDouble();
                        var metrics = Enumerable.Range(1, epochs).Select(e => top * (1 - Math.Exp(-1.1 * e)) + 0.004 * random.NextDouble()).ToArray();
                        records.Add(TestRuns.Finished(config, metrics) with
                        {
                            Timings = new() { Preparation = 2 + s, Training = 60 + 5 * random.NextDouble(), Evaluation = 6, Total = 68 + s },
                            Data = new($"{task}/train.tsv", 8551, $"{task}/dev.tsv", 1043),
                            Command = $"glue --base-model {baseModel} --tasks {string.Join(',', tasks)}",
                        });
                    }
        return records;
    }
}
