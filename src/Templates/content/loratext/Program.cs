using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit;

const string ModelFile = "model.mlnet";
var ml = new MLContext(seed: 0);

#if (isScore)
if (args.Length == 2)
#else
if (args.Length == 1)
#endif
{
    var loaded = ml.Model.Load(ModelFile, out var schema);
    using var engine = ml.Model.CreatePredictionEngine<Row, Answer>(loaded, schema);
#if (isClasses)
    var answer = engine.Predict(new Row { Text = args[0] });
    Console.WriteLine($"{answer.PredictedLabel}  {answer.Score.Max():P0}");
#endif
#if (isBinary)
    var answer = engine.Predict(new Row { Text = args[0] });
    // Probability is that of yes; what is said has the rest where it is no.
    Console.WriteLine($"{(answer.PredictedLabel ? "yes" : "no")}  {(answer.PredictedLabel ? answer.Probability : 1 - answer.Probability):P0}");
#endif
#if (isScore)
    var answer = engine.Predict(new Row { Text = args[0], Text2 = args[1] });
    Console.WriteLine($"{answer.Score:0.00}");
#endif
#if (isLabels)
    var answer = engine.Predict(new Row { Text = args[0] });
    VBuffer<ReadOnlyMemory<char>> names = default;
    engine.OutputSchema["Probability"].Annotations.GetValue("SlotNames", ref names);
    foreach (var (name, probability) in names.DenseValues().Zip(answer.Probability).OrderByDescending(label => label.Second))
        Console.WriteLine($"{name,-10} {probability:P0}");
#endif
    return 0;
}

if (args.Length > 0)
{
#if (isScore)
    Console.Error.WriteLine("Give two texts to predict for, or nothing to train.");
#else
    Console.Error.WriteLine("Give one text to predict for, in quotation marks, or nothing to train.");
#endif
    return 2;
}

#if (isLabels)
// Rows: a header, then true or false for each label, and the text, with tabs between.
#else
// Rows: a header, then the label and the text, with tabs between.
#endif
var rows = ml.Data.LoadFromTextFile<Row>(Path.Combine(AppContext.BaseDirectory, "train.tsv"), hasHeader: true);
var split = ml.Data.TrainTestSplit(rows, testFraction: 0.2);
var progress = new Progress<TrainingProgress>(p => { if (p.Message is { } message) Console.WriteLine(message); });

#if (isClasses)
var options = new LoraTextClassificationTrainer.Options
{
#endif
#if (isBinary)
var options = new LoraBinaryTextClassificationTrainer.Options
{
#endif
#if (isScore)
var options = new LoraTextRegressionTrainer.Options
{
    Text2ColumnName = "Text2",
#endif
#if (isLabels)
var options = new LoraMultiLabelTextClassificationTrainer.Options
{
    ClassWeights = ClassWeights.Balanced, // each label is false more often than true
#endif
    BaseModel = RobertaCheckpoint.Mini, // or RobertaCheckpoint.FromHub("FacebookAI/roberta-base"), or FromDirectory(…)
    Initialization = LoraInitialization.Parse("LORA_INITIALIZATION"),
    TargetModules = TargetModules.AllLinear,
    MaxEpochs = 4,
    BatchSize = 16,
    InitialLearningRate = 2e-3,
    Progress = progress,
};
#if (isClasses)
var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
    .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(options))
    .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
#endif
#if (isBinary)
var pipeline = ml.BinaryClassification.Trainers.LoraTextClassification(options);
#endif
#if (isScore)
var pipeline = ml.Regression.Trainers.LoraTextRegression(options);
#endif
#if (isLabels)
// One vector of the labels' columns, whose slots keep their names.
var pipeline = ml.Transforms.Concatenate("Label", nameof(Row.Delivery), nameof(Row.Billing), nameof(Row.Defect), nameof(Row.Refund), nameof(Row.Urgent), nameof(Row.Praise))
    .Append(ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(options));
#endif
ITransformer model = pipeline.Fit(split.TrainSet);

#if (isClasses)
var metrics = ml.MulticlassClassification.Evaluate(model.Transform(split.TestSet));
Console.WriteLine($"On rows that training has not seen: accuracy {metrics.MicroAccuracy:P1}, log loss {metrics.LogLoss:0.000}");
#endif
#if (isBinary)
var metrics = ml.BinaryClassification.Evaluate(model.Transform(split.TestSet));
Console.WriteLine($"On rows that training has not seen: accuracy {metrics.Accuracy:P1}, area under the ROC curve {metrics.AreaUnderRocCurve:0.000}");
#endif
#if (isScore)
var metrics = ml.Regression.Evaluate(model.Transform(split.TestSet));
Console.WriteLine($"On rows that training has not seen: root mean squared error {metrics.RootMeanSquaredError:0.000}");
#endif
#if (isLabels)
var metrics = ml.MulticlassClassification.EvaluateMultiLabel(model.Transform(split.TestSet));
Console.WriteLine($"On rows that training has not seen: micro F1 {metrics.MicroF1:0.000}, macro F1 {metrics.MacroF1:0.000}");
#endif
ml.Model.Save(model, rows.Schema, ModelFile);
(model as IDisposable)?.Dispose();
Console.WriteLine($"Saved {ModelFile}.");
return 0;

internal sealed class Row
{
#if (isClasses)
    [LoadColumn(0)]
    public string Label { get; set; } = "";
#endif
#if (isBinary)
    [LoadColumn(0)]
    public bool Label { get; set; }
#endif
#if (isScore)
    [LoadColumn(0)]
    public float Label { get; set; }
#endif
#if (isLabels)
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
#else

    [LoadColumn(1)]
    public string Text { get; set; } = "";
#endif
#if (isScore)

    [LoadColumn(2)]
    public string Text2 { get; set; } = "";
#endif
}

internal sealed class Answer
{
#if (isClasses)
    public string PredictedLabel { get; set; } = "";

    public float[] Score { get; set; } = [];
#endif
#if (isBinary)
    public bool PredictedLabel { get; set; }

    public float Probability { get; set; }
#endif
#if (isScore)
    public float Score { get; set; }
#endif
#if (isLabels)
    public float[] Probability { get; set; } = [];
#endif
}
