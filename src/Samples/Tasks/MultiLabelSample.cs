using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>Several labels a text: a message may be about a delivery and a bill, and urgent besides.</summary>
internal sealed class MultiLabelSample : TaskSample
{
    private static readonly string[] LabelNames = [nameof(Ticket.Delivery), nameof(Ticket.Billing), nameof(Ticket.Defect), nameof(Ticket.Refund), nameof(Ticket.Urgent), nameof(Ticket.Praise)];

    public override string Name => "multilabel";

    public override string Description => "Messages with any number of six labels.";

    public override int Epochs => 6;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Ticket>(DataFile("tickets.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Ticket>(DataFile("tickets.test.tsv"), hasHeader: true);

        terminal.Heading("Several labels: 500 messages with one to three of six labels");
        var model = ProgressDisplay.Show(terminal, progress => (ITransformer)
            // One vector of the six columns; its slots keep their names.
            ml.Transforms.Concatenate("Label", LabelNames)
                .Append(ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(new LoraMultiLabelTextClassificationTrainer.Options
                {
                    TargetModules = TargetModules.AllLinear,
                    ClassWeights = ClassWeights.Balanced, // each label is false more often than true
                    MaxEpochs = epochs,
                    BatchSize = 16,
                    InitialLearningRate = 2e-3,
                    Progress = progress,
                    CancellationToken = cancellation,
                }))
                .Fit(train));
        using var trained = model as IDisposable;
        cancellation.ThrowIfCancellationRequested();

        var metrics = ml.MulticlassClassification.EvaluateMultiLabel(model.Transform(test));
        terminal.Heading("On 120 messages that training has not seen");
        Summary.Table(terminal, [("micro F1", metrics.MicroF1), ("macro F1", metrics.MacroF1), ("all right", metrics.SubsetAccuracy), ("mean AP", metrics.MeanAveragePrecision)]);
        terminal.Output.WriteLine();
        foreach (var label in metrics.PerLabel)
            terminal.Output.WriteLine($"  {label.Name,-10} {label.Positives,3} rows   precision {label.Precision:0.00}   recall {label.Recall:0.00}   AUC {label.AreaUnderRocCurve:0.000}");

        terminal.Heading("A message and the probability of each label");
        using var engine = ml.Model.CreatePredictionEngine<Ticket, Answer>(model, new PredictionEngineOptions { OwnsTransformer = false });
        const string Text = "The kettle I ordered leaks. Send the money back, and quickly please!";
        PredictionBars.Write(terminal, Text, LabelNames, engine.Predict(new Ticket { Text = Text }).Probability, top: LabelNames.Length);
    }

    private sealed class Ticket
    {
        [LoadColumn(0)]
        public bool Delivery { get; set; }

        [LoadColumn(1)]
        public bool Billing { get; set; }

        [LoadColumn(2)]
        public bool Defect { get; set; }

        [LoadColumn(3)]
        public bool Refund { get; set; }

        [LoadColumn(4)]
        public bool Urgent { get; set; }

        [LoadColumn(5)]
        public bool Praise { get; set; }

        [LoadColumn(6)]
        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public bool[] PredictedLabel { get; set; } = [];

        public float[] Probability { get; set; } = [];
    }
}
