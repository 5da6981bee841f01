using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>
/// Intents: which of 24 things does a spoken command ask for? A key label, the multiclass trainer, and a rule for commands that
/// the model is not sure of.
/// </summary>
internal sealed class IntentsSample : TaskSample
{
    // Below this probability an application had better ask than act.
    private const float Sure = 0.5f;

    public override string Name => "intents";

    public override string Description => "Which of 24 intents a command has, and what to do when the model is not sure.";

    public override int Epochs => 8;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Command>(DataFile("commands.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Command>(DataFile("commands.test.tsv"), hasHeader: true);

        terminal.Heading("Intents: 533 commands to a house, of 24 kinds");
        var model = ProgressDisplay.Show(terminal, progress => (ITransformer)
            ml.Transforms.Conversion.MapValueToKey("Label", nameof(Command.Intent))
                .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
                {
                    TargetModules = TargetModules.AllLinear,
                    MaxEpochs = epochs,
                    BatchSize = 16,
                    InitialLearningRate = 3e-3,
                    Progress = progress,
                    CancellationToken = cancellation,
                }))
                .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
                .Fit(train));
        using var trained = model as IDisposable;
        cancellation.ThrowIfCancellationRequested();

        // With many classes, the right one is often second or third: TopKAccuracy tells.
        var scored = model.Transform(test);
        var metrics = ml.MulticlassClassification.Evaluate(scored, topKPredictionCount: 3);
        var answers = ml.Data.CreateEnumerable<Answer>(scored, reuseRowObject: false).ToArray();
        var sure = answers.Where(a => a.Score.Max() >= Sure).ToArray();
        terminal.Heading($"On {answers.Length} commands that training has not seen (a guess is right for 1 in 24)");
        Summary.Table(terminal, [("accuracy", metrics.MicroAccuracy), ("in top 3", metrics.TopKAccuracy), ("log loss", metrics.LogLoss)]);
        terminal.Output.WriteLine($"Sure of {sure.Length} of them, and right about {(double)sure.Count(a => a.PredictedLabel == a.Intent) / Math.Max(1, sure.Length):0.0 %} of those.");

        terminal.Heading("Commands");
        using var engine = ml.Model.CreatePredictionEngine<Command, Answer>(model, new PredictionEngineOptions { OwnsTransformer = false });
        VBuffer<ReadOnlyMemory<char>> names = default;
        engine.OutputSchema["Score"].GetSlotNames(ref names);
        string[] intents = [.. names.DenseValues().Select(n => n.ToString())];
        foreach (var text in (string[])["Would you dim the noise a little?", "Put yoghurt on the list for the market.", "The stars are out."])
        {
            var answer = engine.Predict(new Command { Text = text });
            PredictionBars.Write(terminal, text, intents, answer.Score, top: 3);
            terminal.Output.WriteLine(answer.Score.Max() >= Sure ? $"    → {answer.PredictedLabel}" : "    → not sure: ask");
        }
    }

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

        public float[] Score { get; set; } = [];
    }
}
