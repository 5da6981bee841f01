using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>
/// AdapterFusion: three tasks are learnt one by one, each by bottlenecks of its own; a fourth with few rows learns how much of each to take. Beside it
/// two tasks of other texts, fused for it, and the fourth task from few rows alone, with fresh bottlenecks and with the head only.
/// </summary>
internal sealed class FusionSample : TaskSample
{
    private static readonly int[] RowsPerClass = [2, 8];

    private static readonly int[] Seeds = [0, 1, 2, 3, 4];

    public override string Name => "fusion";

    public override string Description => "What three tasks have learnt, put together for a fourth with few rows (AdapterFusion).";

    public override int Epochs => 8;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var (train, test) = (Read(ml, "commands.train.tsv"), Read(ml, "commands.test.tsv"));
        // 24 kinds of commands, in the order of the alphabet: six a task.
        string[][] tasks = [.. train.Select(c => c.Intent).Distinct().Order(StringComparer.Ordinal).Chunk(6)];

        terminal.Heading("Three tasks of six kinds of commands each, and two of other texts, with a bottleneck of size 16 a layer");
        FusionSource[] commands = [.. tasks[..3].Select((kinds, i) => Source($"task {i + 1}", Of(train, kinds), Of(test, kinds), epochs))];
        FusionSource[] others = [.. ((string[])["reviews", "support-intents"]).Select(file => Source(file, Read(ml, $"{file}.train.tsv"), Read(ml, $"{file}.test.tsv"), (epochs + 1) / 2))];

        terminal.Heading($"A fourth task with few rows: {string.Join(", ", tasks[3])}");
        (string Name, FineTuningMethod Method, double Rate)[] trials =
        [
            ("the three, fused", FineTuningMethod.AdapterFusion(commands), 1e-3),
            ("the two, fused", FineTuningMethod.AdapterFusion(others), 1e-3),
            ("fresh bottlenecks", FineTuningMethod.Pfeiffer(16), 3e-3),
            ("the head alone", FineTuningMethod.HeadOnly(), 3e-3),
        ];
        terminal.Output.WriteLine($"  {"rows a class",-20}{string.Concat(RowsPerClass.Select(n => $"{n,16}"))}   (mean and deviation of {Seeds.Length} draws of rows; a guess is right for 1 in 6)");
        foreach (var (name, method, rate) in trials)
        {
            terminal.Output.Write($"  {name,-20}");
            foreach (var count in RowsPerClass)
            {
                double[] accuracies = [.. Seeds.Select(seed => Once(ml, train, test, tasks[3], count, seed, method, 2 * epochs, rate, cancellation))];
                var mean = accuracies.Average();
                var deviation = Math.Sqrt(accuracies.Sum(a => (a - mean) * (a - mean)) / (accuracies.Length - 1));
                terminal.Output.Write(string.Create(CultureInfo.InvariantCulture, $"{100 * mean,9:0.0} ± {100 * deviation,4:0.0}"));
            }
            terminal.Output.WriteLine();
        }

        FusionSource Source(string name, Command[] rows, Command[] unseen, int passes)
        {
            using var model = Train(ml, rows, FineTuningMethod.Pfeiffer(16), passes, 3e-3, seed: 0, cancellation);
            terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-16} {Accuracy(ml, model, unseen),6:0.0 %}   {string.Join(", ", rows.Select(r => r.Intent).Distinct().Order(StringComparer.Ordinal))}"));
            return model.ToFusionSource(name);
        }
    }

    private static double Once(MLContext ml, Command[] train, Command[] test, string[] kinds, int count, int seed, FineTuningMethod method, int epochs, double rate, CancellationToken cancellation)
    {
        var random = new Random(seed);
        var few = Of(train, kinds).GroupBy(c => c.Intent).SelectMany(c => c.OrderBy(_ => random.Next()).Take(count)).ToArray();
        using var model = Train(ml, few, method, epochs, rate, seed, cancellation);
        return Accuracy(ml, model, Of(test, kinds));
    }

    private static TransformerChain<LoraTextClassificationTransformer> Train(MLContext ml, Command[] rows, FineTuningMethod method, int epochs, double rate, int seed, CancellationToken cancellation)
    {
        var model = ml.Transforms.Conversion.MapValueToKey("Label", nameof(Command.Intent))
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
            {
                Method = method,
                MaxEpochs = epochs,
                BatchSize = 8,
                InitialLearningRate = rate,
                Seed = seed,
                CancellationToken = cancellation,
            }))
            .Fit(ml.Data.LoadFromEnumerable(rows));
        cancellation.ThrowIfCancellationRequested();
        return model;
    }

    private static double Accuracy(MLContext ml, ITransformer model, Command[] rows) =>
        ml.MulticlassClassification.Evaluate(model.Transform(ml.Data.LoadFromEnumerable(rows))).MicroAccuracy;

    private static Command[] Of(Command[] commands, string[] kinds) => [.. commands.Where(c => kinds.Contains(c.Intent, StringComparer.Ordinal))];

    private static Command[] Read(MLContext ml, string file) =>
        [.. ml.Data.CreateEnumerable<Command>(ml.Data.LoadFromTextFile<Command>(DataFile(file), hasHeader: true), reuseRowObject: false)];

    private sealed class Command
    {
        [LoadColumn(0)]
        public string Intent { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}
