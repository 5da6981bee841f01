using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>Embeddings: texts as vectors, and three uses of them: a linear classifier, groups without labels, nearest neighbours.</summary>
internal sealed class EmbeddingsSample : TaskSample
{
    private const string Vector = "Embedding";

    public override string Name => "embeddings";

    public override string Description => "Texts as vectors: SDCA and k-means on top, and nearest neighbours.";

    public override int Epochs => 4;

    public override void Run(Terminal terminal, int epochs, CancellationToken cancellation)
    {
        var ml = new MLContext(seed: 0);
        var train = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.train.tsv"), hasHeader: true);
        var test = ml.Data.LoadFromTextFile<Request>(DataFile("support-intents.test.tsv"), hasHeader: true);

        // Nothing is trained for this: the base's own states, averaged over the tokens.
        var plain = ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini);
        terminal.Heading("The base as it is: a linear classifier (SDCA) on its vectors");
        Classify(ml, terminal, plain, train, test);

        terminal.Heading("Without labels: k-means finds as many groups as there are classes");
        var keys = ml.Transforms.Conversion.MapValueToKey("Label");
        int classes = train.GetColumn<string>(nameof(Request.Label)).Distinct().Count();
        var clusters = keys.Append(plain).Append(ml.Clustering.Trainers.KMeans(Vector, numberOfClusters: classes)).Fit(train);
        var grouped = ml.Clustering.Evaluate(clusters.Transform(test), labelColumnName: "Label", scoreColumnName: "Score");
        Summary.Table(terminal, [("NMI", grouped.NormalizedMutualInformation), ("distance", grouped.AverageDistance)]);
        cancellation.ThrowIfCancellationRequested();

        terminal.Heading("After fine-tuning on the classes: vectors of what the head's last layer takes");
        using var trained = (LoraTextTransformer)ProgressDisplay.Show(terminal, progress => keys
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
            {
                TargetModules = TargetModules.AllLinear,
                MaxEpochs = epochs,
                BatchSize = 16,
                InitialLearningRate = 2e-3,
                Progress = progress,
                CancellationToken = cancellation,
            })).Fit(train).LastTransformer);
        cancellation.ThrowIfCancellationRequested();
        var tuned = ml.Transforms.Text.RobertaEmbeddings(trained, new() { Pooling = SentencePooling.HeadInput });
        Classify(ml, terminal, tuned, train, test);

        terminal.Heading("Nearest neighbours in the training rows");
        using var step = tuned.Fit(train);
        var rows = ml.Data.CreateEnumerable<Request>(train, reuseRowObject: false).ToArray();
        var vectors = step.Embed([.. rows.Select(r => r.Text)]);
        string[] asked = ["I want my money back.", "How do I reset my password?", "Thanks, that was quick!"];
        foreach (var (text, query) in asked.Zip(step.Embed(asked)))
        {
            terminal.Output.WriteLine($"  {text}");
            // Vectors that are 1 long: the product is the cosine.
            foreach (var (row, similarity) in rows.Zip(vectors, (r, v) => (r, v.Zip(query, (a, b) => a * b).Sum())).OrderByDescending(n => n.Item2).Take(3))
                terminal.Output.WriteLine($"    {similarity,5:0.000}  {row.Label,-10}  {row.Text}");
        }
    }

    private static void Classify(MLContext ml, Terminal terminal, RobertaEmbeddingEstimator vectors, IDataView train, IDataView test)
    {
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label").Append(vectors).AppendCacheCheckpoint(ml)
            .Append(ml.MulticlassClassification.Trainers.SdcaMaximumEntropy(featureColumnName: Vector));
        var metrics = ml.MulticlassClassification.Evaluate(pipeline.Fit(train).Transform(test));
        Summary.Table(terminal, [("accuracy", metrics.MicroAccuracy), ("log-loss", metrics.LogLoss)]);
    }

    private sealed class Request
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}
