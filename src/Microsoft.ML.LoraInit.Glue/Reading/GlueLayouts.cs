namespace Microsoft.ML.LoraInit.Glue;

/// <summary>
/// The files of GLUE as its tasks' owners publish them. The classes' order is that of the label ids in the
/// <c>glue</c> data set of the Hugging Face hub.
/// </summary>
public static class GlueLayouts
{
    private static readonly string[] ZeroOne = ["0", "1"];
    private static readonly string[] Entailment = ["entailment", "not_entailment"];

    private static readonly TextLayout[] All =
    [
        // Source, label, the author's own mark, sentence.
        new() { Name = "cola", Kind = TaskKind.Multiclass, HasHeader = false, ColumnCount = 4, Text = "4", Label = "2", Labels = ZeroOne },
        new() { Name = "sst2", Kind = TaskKind.Multiclass, Text = "sentence", Label = "label", Labels = ZeroOne },
        new() { Name = "mrpc", Kind = TaskKind.Multiclass, Text = "#1 String", Text2 = "#2 String", Label = "Quality", Labels = ZeroOne },
        new() { Name = "rte", Kind = TaskKind.Multiclass, Text = "sentence1", Text2 = "sentence2", Label = "label", Labels = Entailment },
        // The sts-benchmark csv: tab-separated in spite of its name; some lines end in two columns with sources.
        new()
        {
            Name = "stsb", Kind = TaskKind.Regression, HasHeader = false, ColumnCount = 7, MoreColumnsAllowed = true,
            Text = "6", Text2 = "7", Label = "5",
        },
        new() { Name = "qnli", Kind = TaskKind.Multiclass, Text = "question", Text2 = "sentence", Label = "label", Labels = Entailment },
        new() { Name = "qqp", Kind = TaskKind.Multiclass, Text = "question1", Text2 = "question2", Label = "is_duplicate", Labels = ZeroOne },
        new()
        {
            Name = "mnli", Kind = TaskKind.Multiclass, Text = "sentence1", Text2 = "sentence2", Label = "gold_label",
            Labels = ["entailment", "neutral", "contradiction"],
        },
        new() { Name = "wnli", Kind = TaskKind.Multiclass, Text = "sentence1", Text2 = "sentence2", Label = "label", Labels = ZeroOne },
    ];

    /// <summary>STS-B as the GLUE archive has it, with a header.</summary>
    internal static readonly TextLayout StsBenchmarkWithHeader =
        new() { Name = "stsb", Kind = TaskKind.Regression, Text = "sentence1", Text2 = "sentence2", Label = "score" };

    /// <summary>The names that <see cref="Get"/> knows, such as <c>sst2</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(t => t.Name)];

    /// <summary>A task's layout by its name.</summary>
    /// <exception cref="ArgumentException">There is no such layout; the message lists those there are.</exception>
    public static TextLayout Get(string name) =>
        Array.Find(All, t => t.Name == name)
        ?? throw new ArgumentException($"There is no layout '{name}'. Known: {string.Join(", ", Names)}.", nameof(name));
}
