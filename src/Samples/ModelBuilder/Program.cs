using SentimentSample;

// Model Builder trains in its window; here the first run does it.
var model = Path.Combine(AppContext.BaseDirectory, "SentimentModel.mlnet");
if (!File.Exists(model) || args.Contains("--retrain"))
{
    Console.WriteLine("Training SentimentModel.mlnet ...");
    SentimentModel.Train(model, Path.Combine(AppContext.BaseDirectory, SentimentModel.RetrainFilePath));
    Console.WriteLine($"Saved {model} ({new FileInfo(model).Length / 1048576.0:0.0} MB)");
}

string[] sentences = args.Where(a => a != "--retrain").ToArray() is { Length: > 0 } given
    ? given
    : ["We loved the small restaurant by the river.", "The hotel was noisy and the shower did not work.", "What a pleasant surprise!", "I regret buying this, it is useless."];
foreach (var sentence in sentences)
{
    Console.WriteLine();
    Console.WriteLine(sentence);
    foreach (var (label, probability) in SentimentModel.PredictAllLabels(new SentimentModel.ModelInput { Text = sentence }))
        Console.WriteLine($"  {label,-10} {probability:P1}");
}
