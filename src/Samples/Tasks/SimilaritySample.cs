using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>Similarity: how alike are two sentences, from 0 to 5? Pairs of texts, a numeric label, the regression trainer.</summary>
internal sealed class SimilaritySample : TaskSample
{
    public override string Name => "similarity";

    public override string Description => "How alike two sentences are, as a number: pairs and regression.";

    public override int Epochs => 8;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Pair>(DataFile("pairs.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Pair>(DataFile("pairs.test.tsv"), hasHeader: true);

        terminal.Heading("Similarity: 600 pairs; the same person counts 1, the same act 2, the same place or time 2");
        using var model = ProgressDisplay.Show(terminal, progress =>
            ml.Regression.Trainers.LoraTextRegression(new LoraTextRegressionTrainer.Options
            {
                LabelColumnName = nameof(Pair.Similarity),
                Text2ColumnName = nameof(Pair.Text2),
                TargetModules = TargetModules.AllLinear,
                MaxEpochs = epochs,
                BatchSize = 16,
                InitialLearningRate = 2e-3,
                Progress = progress,
                CancellationToken = cancellation,
            }).Fit(train));
        cancellation.ThrowIfCancellationRequested();

        // Two people, two acts and two places of the test pairs do not occur in training.
        var scored = model.Transform(test);
        var correlation = ml.Regression.EvaluateCorrelation(scored, nameof(Pair.Similarity));
        var metrics = ml.Regression.Evaluate(scored, nameof(Pair.Similarity));
        terminal.Heading("On 150 pairs that training has not seen");
        Summary.Table(terminal, [("Pearson", correlation.PearsonCorrelation), ("Spearman", correlation.SpearmanCorrelation), ("RMSE", metrics.RootMeanSquaredError)]);

        terminal.Heading("Pairs");
        using var engine = ml.Model.CreatePredictionEngine<Pair, Answer>(model, new PredictionEngineOptions { OwnsTransformer = false });
        foreach (var (first, second) in ((string, string)[])[
            ("A man is cutting bread at dawn.", "A man is cutting bread at dawn, they say."),
            ("A man is cutting bread at dawn.", "A man is cutting bread at the harbour."),
            ("A man is cutting bread at dawn.", "The captain sings in the snow.")])
            terminal.Output.WriteLine($"  {engine.Predict(new Pair { Text = first, Text2 = second }).Score,4:0.0}  {first}  |  {second}");
    }

    private sealed class Pair
    {
        [LoadColumn(0)]
        public float Similarity { get; set; }

        [LoadColumn(1)]
        public string Text { get; set; } = "";

        [LoadColumn(2)]
        public string Text2 { get; set; } = "";
    }

    private sealed class Answer
    {
        public float Score { get; set; }
    }
}
