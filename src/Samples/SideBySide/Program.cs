using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.Samples.SideBySide;
using Microsoft.ML.TorchSharp;

// The same data, the same pipeline around it, two trainers: ML.NET's own and this library's.
int epochs = 6;
if (args is ["--epochs", var text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int given) && given > 0)
    epochs = given;
else if (args.Length > 0)
{
    Console.Error.WriteLine("lorainit-side-by-side: the only option is --epochs N, with N from 1.");
    return 2;
}

var ml = new MLContext(seed: 0);
var comparison = new Comparison(ml, Load("support-intents.train.tsv"), Load("support-intents.test.tsv"));
var results = new List<Comparison.Result>();

Console.WriteLine($"660 sentences to train on, 120 to test with, 6 classes, {epochs} epochs.");
Console.WriteLine(TorchSharpFit.Sentence);
Console.WriteLine();

Console.WriteLine("Training LoraTextClassification (Microsoft.ML.LoraInit), whose model is in a package ...");
try
{
    results.Add(comparison.Run("LoraTextClassification", ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
    {
        TextColumnName = "Text",
        PredictedLabelColumnName = "PredictedKey",
        BaseModel = RobertaCheckpoint.Mini,
        TargetModules = TargetModules.AllLinear,
        Rank = 8,
        Alpha = 16,
        MaxEpochs = epochs,
        BatchSize = 16,
        InitialLearningRate = 2e-3,
    })));
}
catch (Exception e)
{
    Console.Error.WriteLine($"lorainit-side-by-side: {e.Message}");
    return 1;
}

Console.WriteLine();
if (await NasBertModel.WhyNotAvailableAsync(ml, TimeSpan.FromSeconds(5)) is { } reason)
{
    Console.WriteLine("ML.NET's TextClassification is left out: it fine-tunes a NAS-BERT model that it downloads when it is");
    Console.WriteLine($"first used, and that is not possible here ({reason}).");
}
else
{
    Console.WriteLine("Training TextClassification (Microsoft.ML.TorchSharp) ...");
    try
    {
        results.Add(comparison.Run("TextClassification", ml.MulticlassClassification.Trainers.TextClassification(
            labelColumnName: "Label", sentence1ColumnName: "Text", outputColumnName: "PredictedKey", batchSize: 16, maxEpochs: epochs)));
    }
    catch (Exception e)
    {
        // Whatever another library throws: what it is, is the answer, and the other trainer has run.
        Console.WriteLine(TorchSharpFit.Explain(e));
    }
}

Console.WriteLine();
Console.WriteLine($"{"trainer",-24}{"accuracy",10}{"macro",10}{"training",12}{"scoring",12}{"saved",12}");
foreach (var r in results)
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{r.Name,-24}{r.Accuracy,10:P1}{r.MacroAccuracy,10:P1}{r.Training.TotalSeconds,10:0.0} s{r.Scoring.TotalSeconds,10:0.00} s{r.FileBytes / 1048576.0,9:0.0} MB"));
return 0;

IDataView Load(string name) => ml.Data.LoadFromTextFile<Request>(Path.Combine(AppContext.BaseDirectory, "Data", name), hasHeader: true);
