using System.Text.Json;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>A task's rows as a run sees them, for another program to train on the same batches.</summary>
internal static class EpochExport
{
    public static void Write(string path, OpenedBase opened, GlueTask task, string data, int? rows, int batch)
    {
        using var files = opened.Checkpoint.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var view = task.Load(new MLContext(), data, new() { TrainRows = rows }).Train;
        var columns = new TextColumns("Text", task.IsPair ? "Text2" : null, "Label");
        var set = TextDatasetReader.Read(view, columns, task.IsRegression ? LabelKind.Single : LabelKind.Key, tokenizer, files.Config.MaxLength);
        var batches = BatchPlanner.Shuffled([.. set.Texts.Select(t => t.Length)], batch, 0, 1);
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, new
        {
            task = task.Name,
            shape = opened.Name,
            batch,
            ids = set.Texts.Select(t => t.Ids),
            labels = set.Labels,
            batches,
        }));
        Console.Out.WriteLine($"{set.Count} rows and {batches.Count} batches in {path}");
    }
}
