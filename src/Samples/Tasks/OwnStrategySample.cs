using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Inspection;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>A start that this library does not have (<see cref="LargestRowsInitialization"/>): inspected, trained, compared.</summary>
internal sealed class OwnStrategySample : TaskSample
{
    public override string Name => "own-strategy";

    public override string Description => "A start of your own: inspected, then trained beside the usual one.";

    public override int Epochs => 6;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        LoraInitialization.Register<LargestRowsInitialization>();
        LoraInitialization[] starts = [LoraInitialization.Kaiming(), new LargestRowsInitialization(), LoraInitialization.Parse("largest-rows:scale=2")];

        var ml = new MLContext(seed: 0);
        var keys = ml.Transforms.Conversion.MapValueToKey("Label");
        var train = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.test.tsv"), hasHeader: true);

        var report = InitializationInspector.Inspect(new()
        {
            Training = Options(starts[1]),
            Against = starts[0],
            Data = keys.Fit(train).Transform(train),
        });
        InspectionTable.Write(terminal, report);

        terminal.Heading("Trained, all else the same");
        foreach (var start in starts)
        {
            var model = keys.Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Options(start))).Fit(train);
            using var trained = model as IDisposable;
            cancellation.ThrowIfCancellationRequested();
            var metrics = ml.MulticlassClassification.Evaluate(model.Transform(test));
            var stored = model.LastTransformer.Initialization!.ToJson().ToJsonString();
            terminal.Output.WriteLine($"  {stored,-36} accuracy {metrics.MicroAccuracy:0.000}, log loss {metrics.LogLoss:0.000}");
        }

        LoraTextClassificationTrainer.Options Options(LoraInitialization start) => new()
        {
            Initialization = start,
            MaxEpochs = epochs,
            BatchSize = 16,
            CancellationToken = cancellation,
        };
    }

    private sealed class Request
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}
