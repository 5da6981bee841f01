using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A task of GLUE (arXiv 1804.07461) as data: its files, columns, labels, metric, and the hyper-parameters that papers
/// used for it.
/// </summary>
/// <example><code>
/// var data = GlueTask.Cola.Load(ml, "glue");
/// var model = ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options { ValidationData = data.Validation }).Fit(data.Train);
/// </code></example>
public sealed class GlueTask
{
    private static readonly GlueTask[] Tasks =
    [
        Make("cola", "CoLA", GlueMetric.Matthews, ["train.tsv"], ["dev.tsv"]),
        Make("sst2", "SST-2", GlueMetric.Accuracy, ["train.tsv"], ["dev.tsv"]),
        Make("mrpc", "MRPC", GlueMetric.Accuracy, ["train.tsv"], ["dev.tsv"]),
        Make("stsb", "STS-B", GlueMetric.Pearson, ["sts-train.csv", "train.tsv"], ["sts-dev.csv", "dev.tsv"]),
        Make("qqp", "QQP", GlueMetric.Accuracy, ["train.tsv"], ["dev.tsv"]),
        Make("mnli", "MNLI", GlueMetric.Accuracy, ["train.tsv"], ["dev_matched.tsv"]),
        Make("mnli-mismatched", "MNLI", GlueMetric.Accuracy, ["train.tsv"], ["dev_mismatched.tsv"]),
        Make("qnli", "QNLI", GlueMetric.Accuracy, ["train.tsv", "train_10k.tsv"], ["dev.tsv"]),
        Make("rte", "RTE", GlueMetric.Accuracy, ["train.tsv"], ["dev.tsv"]),
        Make("wnli", "WNLI", GlueMetric.Accuracy, ["train.tsv"], ["dev.tsv"]),
    ];

    private GlueTask(string name, string folder, GlueMetric metric, TextLayout layout, string[] trainFiles, string[] devFiles)
    {
        Name = name;
        Folder = folder;
        Metric = metric;
        Layout = layout;
        TrainFiles = trainFiles;
        DevFiles = devFiles;
        Recipes = GlueRecipes.For(name);
    }

    /// <summary>Linguistic acceptability: one sentence, 0 or 1.</summary>
    public static GlueTask Cola => Get("cola");

    /// <summary>Sentiment of film reviews: one sentence, 0 or 1.</summary>
    public static GlueTask Sst2 => Get("sst2");

    /// <summary>Paraphrases in the news: a pair, 0 or 1.</summary>
    public static GlueTask Mrpc => Get("mrpc");

    /// <summary>Semantic similarity: a pair, a number from 0 to 5.</summary>
    public static GlueTask StsB => Get("stsb");

    /// <summary>Duplicate questions: a pair, 0 or 1.</summary>
    public static GlueTask Qqp => Get("qqp");

    /// <summary>Inference, judged on the genres of the training rows: a pair, entailment, neutral or contradiction.</summary>
    public static GlueTask Mnli => Get("mnli");

    /// <summary><see cref="Mnli"/>, judged on other genres.</summary>
    public static GlueTask MnliMismatched => Get("mnli-mismatched");

    /// <summary>Whether a sentence answers a question: a pair, entailment or not_entailment.</summary>
    public static GlueTask Qnli => Get("qnli");

    /// <summary>Textual entailment: a pair, entailment or not_entailment.</summary>
    public static GlueTask Rte => Get("rte");

    /// <summary>Winograd schemas: a pair, 0 or 1.</summary>
    public static GlueTask Wnli => Get("wnli");

    /// <summary>Every task.</summary>
    public static IReadOnlyList<GlueTask> All => Tasks;

    /// <summary>The name on the command line and in result files, such as <c>sst2</c>.</summary>
    public string Name { get; }

    /// <summary>The folder in GLUE's archives, such as <c>SST-2</c>.</summary>
    public string Folder { get; }

    /// <summary>The name in papers, such as <c>SST-2</c>.</summary>
    public string DisplayName => Name == "mnli-mismatched" ? "MNLI-mm" : Folder;

    /// <summary>What the task is judged by.</summary>
    public GlueMetric Metric { get; }

    /// <summary>Whether a row has two texts.</summary>
    public bool IsPair => Layout.Text2 is not null;

    /// <summary>Whether the label is a number and not a class.</summary>
    public bool IsRegression => Layout.Kind == TaskKind.Regression;

    /// <summary>The classes in the order of their keys; empty for a regression.</summary>
    public IReadOnlyList<string> Labels => Layout.Labels ?? [];

    /// <summary>The papers' hyper-parameters for the task.</summary>
    public IReadOnlyList<GlueRecipe> Recipes { get; }

    /// <summary>Where a row's text, second text and label are.</summary>
    public TextLayout Layout { get; }

    internal IReadOnlyList<string> TrainFiles { get; }

    internal IReadOnlyList<string> DevFiles { get; }

    /// <summary>Finds a task by <see cref="Name"/> or <see cref="DisplayName"/>, whatever the case.</summary>
    /// <exception cref="ArgumentException">There is no such task; the message lists those there are.</exception>
    public static GlueTask Parse(string name) =>
        Tasks.FirstOrDefault(t => name.Equals(t.Name, StringComparison.OrdinalIgnoreCase) || name.Equals(t.DisplayName, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no task '{name}' in GLUE. Known: {string.Join(", ", Tasks.Select(t => t.Name))}.", nameof(name));

    /// <summary>Whether a folder has a file of the task for the training and one for the dev rows, which <see cref="Load"/> would read.</summary>
    /// <param name="directory">As for <see cref="Load"/>.</param>
    public bool HasFiles(string directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return GlueLoader.HasFiles(this, directory);
    }

    /// <summary>
    /// Reads the training and dev rows: columns <c>Text</c>, <c>Text2</c> (pairs) and <c>Label</c>, which is a key of
    /// <see cref="Labels"/>, or a Single for a regression.
    /// </summary>
    /// <param name="ml">The context that makes the views.</param>
    /// <param name="directory">The folder that holds the tasks' folders as GLUE's archives do, or the task's own.</param>
    /// <param name="options">Subsets and what to do about malformed lines; null for all rows, strictly.</param>
    /// <exception cref="GlueDataException">A file is missing, empty or malformed: the message names file, line and column.</exception>
    public GlueData Load(MLContext ml, string directory, GlueLoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(ml);
        ArgumentNullException.ThrowIfNull(directory);
        return GlueLoader.Load(ml, this, directory, options ?? new());
    }

    /// <inheritdoc/>
    public override string ToString() => DisplayName;

    private static GlueTask Get(string name) => Array.Find(Tasks, t => t.Name == name)!;

    private static GlueTask Make(string name, string folder, GlueMetric metric, string[] trainFiles, string[] devFiles) =>
        new(name, folder, metric, GlueLayouts.Get(name.StartsWith("mnli", StringComparison.Ordinal) ? "mnli" : name), trainFiles, devFiles);
}
