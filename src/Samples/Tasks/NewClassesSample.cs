using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>
/// Classes that arrive over time: a house learns 8 intents, then 8 more, then 8 more, each time from commands of the new ones alone. SD-LoRA keeps
/// what was learnt before; beside it the same model trained on in full, which forgets.
/// </summary>
internal sealed class NewClassesSample : TaskSample
{
    private const int Stages = 3;

    public override string Name => "new-classes";

    public override string Description => "24 intents in three stages, each from rows of its new classes alone, with SD-LoRA and with plain fine-tuning.";

    public override int Epochs => 8;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var (train, test) = (Read(ml, "commands.train.tsv"), Read(ml, "commands.test.tsv"));
        // In the order of the alphabet, as they might arrive in any.
        string[][] arrivals = [.. train.Select(c => c.Intent).Distinct().Order(StringComparer.Ordinal).Chunk(24 / Stages)];

        terminal.Heading($"New classes: {string.Join(" + ", arrivals.Select(a => a.Length))} intents of commands to a house, one stage after another");
        using var first = ProgressDisplay.Show(terminal, progress => Keyed(ml)
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
            {
                TargetModules = TargetModules.AllLinear,
                MaxEpochs = epochs,
                BatchSize = 16,
                InitialLearningRate = 3e-3,
                Progress = progress,
                CancellationToken = cancellation,
            }))
            .Fit(Rows(ml, train, arrivals[0])));
        cancellation.ThrowIfCancellationRequested();

        foreach (var (title, method) in ((string, FineTuningMethod)[])[("SD-LoRA: what was learnt is kept", FineTuningMethod.SdLora()), ("Plain LoRA, trained on", first.Lora().Method)])
        {
            terminal.Heading(title);
            ITransformer model = first;
            for (int stage = 0; stage < Stages; stage++)
            {
                if (stage > 0)
                    model = Learn(ml, terminal, model, method, Rows(ml, train, arrivals[stage]), epochs, cancellation);
                var accuracies = arrivals[..(stage + 1)].Select(classes => Accuracy(ml, model, Rows(ml, test, classes)));
                terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  after stage {stage + 1}: {Accuracy(ml, model, Rows(ml, test, arrivals[..(stage + 1)].SelectMany(c => c))),6:0.0 %} of all known classes; by stage {string.Join("  ", accuracies.Select(a => $"{a,6:0.0 %}"))}"));
            }
        }
    }

    private static ITransformer Learn(MLContext ml, Terminal terminal, ITransformer model, FineTuningMethod method, IDataView rows, int epochs, CancellationToken cancellation) =>
        ProgressDisplay.Show(terminal, progress => Keyed(ml)
            .Append(ml.MulticlassClassification.Trainers.LoraNewClasses(model, new LoraNewClassesTrainer.Options
            {
                Method = method,
                MaxEpochs = epochs,
                BatchSize = 16,
                InitialLearningRate = 3e-3,
                Progress = progress,
                CancellationToken = cancellation,
            }))
            .Fit(rows));

    private static IEstimator<ITransformer> Keyed(MLContext ml) => ml.Transforms.Conversion.MapValueToKey("Label", nameof(Command.Intent));

    /// <summary>The share of rows whose class is the predicted one, of all that the model knows.</summary>
    private static double Accuracy(MLContext ml, ITransformer model, IDataView rows)
    {
        var scored = ml.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(model.Lora().Transform(rows)).Transform(model.Lora().Transform(rows));
        var answers = ml.Data.CreateEnumerable<Answer>(scored, reuseRowObject: false).ToArray();
        return (double)answers.Count(a => a.PredictedLabel == a.Intent) / answers.Length;
    }

    private static Command[] Read(MLContext ml, string file) =>
        [.. ml.Data.CreateEnumerable<Command>(ml.Data.LoadFromTextFile<Command>(DataFile(file), hasHeader: true), reuseRowObject: false)];

    private static IDataView Rows(MLContext ml, Command[] commands, IEnumerable<string> classes) =>
        ml.Data.LoadFromEnumerable(commands.Where(c => classes.Contains(c.Intent, StringComparer.Ordinal)));

    private sealed class Command
    {
        [LoadColumn(0)]
        public string Intent { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public string Intent { get; set; } = "";

        public string PredictedLabel { get; set; } = "";
    }
}
