namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Tasks in the order of the papers' tables, under the papers' names.</summary>
internal static class TaskNames
{
    private static readonly string[] Papers = ["cola", "mrpc", "qnli", "rte", "stsb", "sst2", "mnli", "mnli-mismatched", "qqp", "wnli"];

    public static int Order(string task) => Array.IndexOf(Papers, task) is >= 0 and var i ? i : int.MaxValue;

    public static string Display(string task) => GlueTask.All.FirstOrDefault(t => t.Name == task)?.DisplayName ?? task;
}
