using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>
/// Imbalanced classes: one class has 16 rows, the others 110 each. Trained alike, once with every row counting the same and once
/// with class weights.
/// </summary>
internal sealed class ImbalancedSample : TaskSample
{
    private const string Rare = "Refund";
    private const int RareRows = 16;

    public override string Name => "imbalanced";

    public override string Description => "A rare class, without and with class weights.";

    public override int Epochs => 4;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var all = ml.Data.CreateEnumerable<Request>(ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.train.tsv"), hasHeader: true), reuseRowObject: false).ToArray();
        Request[] kept = [.. all.Where(r => r.Label != Rare), .. all.Where(r => r.Label == Rare).Take(RareRows)];
        var train = ml.Data.LoadFromEnumerable(kept);
        // The test rows stay as they are: 20 of each class.
        var test = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.test.tsv"), hasHeader: true);

        terminal.Heading($"Imbalanced classes: {kept.Length} requests, {RareRows} of them of the class {Rare}");
        var results = new List<(string Weights, MulticlassClassificationMetrics Metrics, int Index)>();
        foreach (var weights in (ClassWeights[])[ClassWeights.None, ClassWeights.Balanced])
        {
            terminal.Heading($"Class weights: {weights}");
            var model = ProgressDisplay.Show(terminal, progress => (ITransformer)
                ml.Transforms.Conversion.MapValueToKey("Label")
                    .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
                    {
                        ClassWeights = weights,
                        TargetModules = TargetModules.AllLinear,
                        MaxEpochs = epochs,
                        BatchSize = 16,
                        InitialLearningRate = 2e-3,
                        Progress = progress,
                        CancellationToken = cancellation,
                    }))
                    .Fit(train));
            using var trained = model as IDisposable;
            cancellation.ThrowIfCancellationRequested();
            var scored = model.Transform(test);
            VBuffer<ReadOnlyMemory<char>> names = default;
            scored.Schema["Label"].GetKeyValues(ref names);
            int index = names.DenseValues().ToList().FindIndex(n => n.ToString() == Rare);
            results.Add((weights.ToString(), ml.MulticlassClassification.Evaluate(scored), index));
        }

        // Accuracy hides a rare class; its recall, and the mean over the classes, do not.
        terminal.Heading("On 120 requests that training has not seen, 20 of each class");
        terminal.Output.WriteLine($"  {"class weights",-14} {"recall of " + Rare,17} {"precision",10} {"mean recall",12} {"log loss",9}");
        foreach (var (weights, metrics, index) in results)
        {
            var confusion = metrics.ConfusionMatrix;
            terminal.Output.WriteLine($"  {weights,-14} {confusion.PerClassRecall[index],17:0.000} {confusion.PerClassPrecision[index],10:0.000} {metrics.MacroAccuracy,12:0.000} {metrics.LogLoss,9:0.000}");
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
