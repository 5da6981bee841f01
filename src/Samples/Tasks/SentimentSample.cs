using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>Sentiment: is a review good or bad? A Boolean label, the binary trainer, a probability.</summary>
internal sealed class SentimentSample : TaskSample
{
    public override string Name => "sentiment";

    public override string Description => "Good or bad: a Boolean label and its probability.";

    public override int Epochs => 4;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Review>(DataFile("reviews.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Review>(DataFile("reviews.test.tsv"), hasHeader: true);

        terminal.Heading("Sentiment: 400 reviews, half of them good");
        using var model = ProgressDisplay.Show(terminal, progress =>
            ml.BinaryClassification.Trainers.LoraTextClassification(new LoraBinaryTextClassificationTrainer.Options
            {
                LabelColumnName = nameof(Review.Good),
                TargetModules = TargetModules.AllLinear,
                MaxEpochs = epochs,
                BatchSize = 16,
                InitialLearningRate = 2e-3,
                Progress = progress,
                CancellationToken = cancellation,
            }).Fit(train));
        cancellation.ThrowIfCancellationRequested();

        // No sentence of the test rows is built like one of the training rows.
        var metrics = ml.BinaryClassification.Evaluate(model.Transform(test), labelColumnName: nameof(Review.Good));
        terminal.Heading("On 120 reviews that training has not seen (a guess is right for half of them)");
        Summary.Table(terminal, [("accuracy", metrics.Accuracy), ("AUC", metrics.AreaUnderRocCurve), ("F1", metrics.F1Score)]);

        terminal.Heading("Reviews and the probability that they are good");
        using var engine = ml.Model.CreatePredictionEngine<Review, Answer>(model, new PredictionEngineOptions { OwnsTransformer = false });
        foreach (var text in (string[])["The tea was lovely and the nurses were kind.", "My new watch broke and nobody answered my letters.", "We shall certainly return next summer."])
            PredictionBars.Write(terminal, text, ["good"], [engine.Predict(new Review { Text = text }).Probability]);
    }

    private sealed class Review
    {
        [LoadColumn(0)]
        public bool Good { get; set; }

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public bool PredictedLabel { get; set; }

        public float Probability { get; set; }
    }
}
