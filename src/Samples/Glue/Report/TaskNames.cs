namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Tasks in the order of the papers' tables.</summary>
internal static class TaskNames
{
    private static readonly (string Name, string Display)[] Known =
    [
        ("cola", "CoLA"), ("mrpc", "MRPC"), ("qnli", "QNLI"), ("rte", "RTE"), ("stsb", "STS-B"), ("sst2", "SST-2"),
        ("mnli", "MNLI"), ("mnli-mismatched", "MNLI-mm"), ("qqp", "QQP"), ("wnli", "WNLI"),
    ];

    public static int Order(string task) => Array.FindIndex(Known, k => k.Name == task) is >= 0 and var i ? i : int.MaxValue;

    public static string Display(string task) => Known.FirstOrDefault(k => k.Name == task).Display ?? task;
}
