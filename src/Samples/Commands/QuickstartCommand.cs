using System.CommandLine;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>
/// The quickstart: from labelled sentences to a saved model, with nothing but the pipeline that an application would
/// write itself.
/// </summary>
internal sealed class QuickstartCommand(Terminal terminal)
{
    private static readonly string[] Questions =
    [
        "The courier was here at noon but left nothing, where are my books?",
        "You charged my card two times for one month.",
        "I can't sign in, the code on my phone is never accepted.",
        "The program closes by itself as soon as I open a large file.",
        "These boots are too small, I'd like to send them back for my money.",
        "Your people were so kind, thank you for a wonderful evening!",
    ];

    private readonly Option<string> _model = new("--model") { Description = "Quickstart: where to save the model.", HelpName = "FILE", DefaultValueFactory = _ => "support-intents.mlnet" };
    private readonly Option<int> _epochs = new("--epochs") { Description = "Quickstart: passes over the data.", HelpName = "N", DefaultValueFactory = _ => 6 };

    public IEnumerable<Option> Options => [_model, _epochs];

    public int Run(ParseResult result, CancellationToken cancellation)
    {
        var modelPath = result.GetValue(_model)!;
        OutputPlace.Check(modelPath, "--model");

        // 1. Load.
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.test.tsv"), hasHeader: true);
        terminal.Heading("Fine-tuning a small RoBERTa with LoRA on 660 sentences from a support desk");

        // 2. Train.
        var model = ProgressDisplay.Show(terminal, progress =>
        {
            var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
                .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
                {
                    TextColumnName = "Text",
                    BaseModel = RobertaCheckpoint.Mini,
                    Rank = 8,
                    Alpha = 16,
                    TargetModules = TargetModules.AllLinear,
                    Initialization = LoraInitialization.Kaiming(),
                    MaxEpochs = result.GetValue(_epochs),
                    BatchSize = 16,
                    InitialLearningRate = 2e-3,
                    Progress = progress,
                    CancellationToken = cancellation,
                }))
                .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
            return (ITransformer)pipeline.Fit(train);
        });
        using var trained = model as IDisposable;
        var history = ModelFile.Find(model)!.History;

        // 3. Evaluate on sentences that training has not seen.
        if (!history.Cancelled)
        {
            var metrics = ml.MulticlassClassification.Evaluate(model.Transform(test));
            terminal.Heading("On 120 sentences that training has not seen");
            Summary.Table(terminal, [("accuracy", metrics.MicroAccuracy), ("log loss", metrics.LogLoss), ("Matthews", metrics.ConfusionMatrix.MatthewsCorrelation())]);
            terminal.Output.WriteLine($"{history.TrainableParameters:N0} of {history.TotalParameters:N0} parameters trained, {history.TrainSamplesPerSecond:0} samples/s.");
        }

        // 4. Save, and load as another program would.
        ModelFile.Save(ml, model, train.Schema, modelPath);
        if (history.Cancelled)
        {
            terminal.Fail($"cancelled; the model of epoch {history.BestEpoch} is in {modelPath}.");
            return ExitCodes.Cancelled;
        }
        var loaded = ml.Model.Load(modelPath, out var schema);

        // 5. Predict.
        terminal.Heading("What the saved model says");
        using (var engine = ml.Model.CreatePredictionEngine<Request, Answer>(loaded, schema))
        {
            var classes = Classes(engine.OutputSchema);
            foreach (var question in Questions)
                PredictionBars.Write(terminal, question, classes, engine.Predict(new Request { Text = question }).Score);
        }

        terminal.Heading($"Model saved to {Path.GetFullPath(modelPath)} ({new FileInfo(modelPath).Length / 1048576.0:0.0} MB)");
        terminal.Output.WriteLine($"Ask it yourself:  {ProgramName.Command} predict --model {modelPath} --text \"Where is my order?\"");
        return ExitCodes.Success;
    }

    private static string DataFile(string name) => Path.Combine(AppContext.BaseDirectory, "Data", name);

    private static string[] Classes(DataViewSchema schema)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        schema["Score"].GetSlotNames(ref names);
        return [.. names.DenseValues().Select(n => n.ToString())];
    }

    private sealed class Request
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }
}
