using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>
/// Small data: fifteen sentences of each of six classes. The defaults are made for thousands of rows; with so few, more and smaller
/// steps are needed, and validation rows say when to stop.
/// </summary>
internal sealed class SmallDataSample : TaskSample
{
    private const int RowsPerClass = 15;

    public override string Name => "small-data";

    public override string Description => "Fifteen rows a class: how many epochs, which start, when to stop.";

    public override int Epochs => 12;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var all = ml.Data.CreateEnumerable<Request>(ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.train.tsv"), hasHeader: true), reuseRowObject: false).ToArray();
        Request[] few = [.. all.GroupBy(r => r.Label).SelectMany(c => c.Take(RowsPerClass))];
        var train = ml.Data.LoadFromEnumerable(few);
        var test = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.test.tsv"), hasHeader: true);

        // What is tried; all else is the same.
        (string Name, Action<LoraTextClassificationTrainer.Options> Set)[] trials =
        [
            ("the defaults", _ => { }),
            ("small batches", o => (o.BatchSize, o.MaxEpochs) = (4, epochs)),
            ("… all linear layers", o => (o.BatchSize, o.MaxEpochs, o.TargetModules) = (4, epochs, TargetModules.AllLinear)),
            ("… start: PiSSA", o => (o.BatchSize, o.MaxEpochs, o.TargetModules, o.Initialization) = (4, epochs, TargetModules.AllLinear, LoraInitialization.Pissa())),
            // A fifth of the rows decides which epoch is kept and when to stop; they are then missing in training.
            ("… a fifth to validate", o => (o.BatchSize, o.MaxEpochs, o.TargetModules, o.ValidationFraction, o.EarlyStoppingPatience) = (4, epochs, TargetModules.AllLinear, 0.2, 4)),
            ("the head alone", o => (o.BatchSize, o.MaxEpochs, o.Method) = (4, epochs, FineTuningMethod.HeadOnly())),
        ];

        terminal.Heading($"Small data: {few.Length} requests of six classes, {RowsPerClass} each");
        terminal.Output.WriteLine($"  {"what is tried",-22} {"epochs",6} {"kept",5} {"seconds",8} {"accuracy",9} {"log loss",9}   (120 rows not seen; a guess is right for 1 in 6)");
        foreach (var (name, set) in trials)
        {
            var options = new LoraTextClassificationTrainer.Options { CancellationToken = cancellation };
            set(options);
            var model = ml.Transforms.Conversion.MapValueToKey("Label")
                .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(options))
                .Fit(train);
            using var trained = model as IDisposable;
            cancellation.ThrowIfCancellationRequested();
            var metrics = ml.MulticlassClassification.Evaluate(model.Transform(test));
            var history = model.LastTransformer.History;
            terminal.Output.WriteLine($"  {name,-22} {history.Epochs.Count,6} {history.BestEpoch,5} {history.Epochs.Sum(e => e.Seconds),8:0.0} {metrics.MicroAccuracy,9:0.000} {metrics.LogLoss,9:0.000}");
        }
    }

    private sealed class Request
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}
