using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>Explaining a prediction: what each word added to the score of a class, by integrated gradients.</summary>
internal sealed class ExplainSample : TaskSample
{
    private const int BarWidth = 12;

    public override string Name => "explain";

    public override string Description => "Why a request got its class: what each word added to the score.";

    public override int Epochs => 4;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.train.tsv"), hasHeader: true);

        terminal.Heading("Training on 660 requests to a support desk");
        var chain = ProgressDisplay.Show(terminal, progress =>
            ml.Transforms.Conversion.MapValueToKey("Label")
                .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
                {
                    TargetModules = TargetModules.AllLinear,
                    MaxEpochs = epochs,
                    BatchSize = 16,
                    InitialLearningRate = 2e-3,
                    Progress = progress,
                    CancellationToken = cancellation,
                }))
                .Fit(train));
        using var trained = chain as IDisposable;
        cancellation.ThrowIfCancellationRequested();

        // The transformer explains; in a loaded chain it is one of the steps.
        LoraTextTransformer model = chain.LastTransformer;
        foreach (var text in (string[])["The parcel with my new shoes was left at the wrong house.", "You charged my card two times for one month.", "I can't sign in, the code on my phone is never accepted."])
            Show(terminal, text, model.Explain(text));
    }

    private static void Show(Terminal terminal, string text, TextExplanation explanation)
    {
        int best = explanation.Scores.ToList().IndexOf(explanation.Scores.Max());
        terminal.Heading($"“{text}” → {explanation.Outputs[best]}");
        var words = explanation.ByWord();
        double largest = words.Max(w => Math.Abs(w.Attributions[best]));
        foreach (var word in words)
        {
            double part = word.Attributions[best];
            var bar = new string(part < 0 ? '▒' : '█', (int)Math.Round(Math.Abs(part) / largest * BarWidth));
            terminal.Output.WriteLine($"  {word.Text,-12} {part,7:+0.00;-0.00} {(part < 0 ? bar.PadLeft(BarWidth) + "│" : new string(' ', BarWidth) + "│" + bar)}");
        }
        // The words together make up the score's difference from that of a text of masks; what is left is the integration's error.
        double difference = explanation.Scores[best] - explanation.BaselineScores[best];
        terminal.Output.WriteLine($"  score {explanation.Scores[best]:0.00}, of a masked text {explanation.BaselineScores[best]:0.00}, difference {difference:0.00}, not accounted for {explanation.Residuals[best]:0.000}");
    }

    private sealed class Request
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}
