using System.Globalization;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Glue;

/// <summary>Finds a task's files and makes views of their rows.</summary>
internal static class GlueLoader
{
    public static GlueData Load(MLContext ml, GlueTask task, string directory, GlueLoadOptions options)
    {
        var folder = FindFolder(task, directory);
        var trainFile = FindFile(task, folder, "training", task.TrainFiles);
        var devFile = FindFile(task, folder, "dev", task.DevFiles);
        var skipped = 0;
        var train = Read(task, trainFile, options, options.TrainRows, ref skipped);
        var dev = Read(task, devFile, options, options.ValidationRows, ref skipped);
        return new(View(ml, task, train), View(ml, task, dev), trainFile, train.Count, devFile, dev.Count, skipped);
    }

    /// <summary>Whether the folder has a file for the training and one for the dev rows.</summary>
    public static bool HasFiles(GlueTask task, string directory)
    {
        var inside = Path.Combine(directory, task.Folder);
        var folder = Directory.Exists(inside) ? inside : directory;
        return task.TrainFiles.Any(f => File.Exists(Path.Combine(folder, f))) && task.DevFiles.Any(f => File.Exists(Path.Combine(folder, f)));
    }

    private static string FindFolder(GlueTask task, string directory)
    {
        if (!Directory.Exists(directory))
            throw new GlueDataException(directory, null, null, $"there is no such folder; give the one that holds {task.Folder}.");
        var inside = Path.Combine(directory, task.Folder);
        if (Directory.Exists(inside))
            return inside;
        return task.TrainFiles.Any(f => File.Exists(Path.Combine(directory, f)))
            ? directory
            : throw new GlueDataException(directory, null, null, $"there is neither a folder {task.Folder} nor a file {task.TrainFiles[0]} in it.");
    }

    private static string FindFile(GlueTask task, string folder, string role, IReadOnlyList<string> names) =>
        names.Select(n => Path.Combine(folder, n)).FirstOrDefault(File.Exists)
        ?? throw new GlueDataException(folder, null, null, $"the {role} file of {task.DisplayName} is missing: {string.Join(" or ", names)}.");

    private static List<TextFileRow> Read(GlueTask task, string path, GlueLoadOptions options, int? limit, ref int skipped)
    {
        var layout = task.Layout with { SkipMalformed = options.SkipMalformed };
        var left = 0;
        // The whole file is checked even where only its start is used: a damaged file is not a smaller one.
        var rows = TextFile.ReadAll(path, layout, _ => left++);
        skipped += left;
        return [.. limit is { } n ? rows.Take(n) : rows];
    }

    private static IDataView View(MLContext ml, GlueTask task, List<TextFileRow> rows)
    {
        if (task.IsRegression)
        {
            return ml.Data.LoadFromEnumerable(
                rows.Select(r => new ValueRow { Text = r.Text, Text2 = r.Text2, Label = float.Parse(r.Label!, NumberStyles.Float, CultureInfo.InvariantCulture) }).ToArray(),
                Schema<ValueRow>(task));
        }
        var schema = Schema<ClassRow>(task);
        var label = schema[nameof(ClassRow.Label)];
        // The key's values are the task's, not the file's: a class without rows keeps its place.
        label.ColumnType = new KeyDataViewType(typeof(uint), (ulong)task.Labels.Count);
        var names = new VBuffer<ReadOnlyMemory<char>>(task.Labels.Count, [.. task.Labels.Select(l => l.AsMemory())]);
        label.AddAnnotation("KeyValues", names, new VectorDataViewType(TextDataViewType.Instance, task.Labels.Count));
        // LoadFromEnumerable counts a key's values from 0, as a text file would; the views count them from 1.
        var keys = task.Labels.Select((l, i) => (l, Key: (uint)i)).ToDictionary(p => p.l, p => p.Key);
        return ml.Data.LoadFromEnumerable(rows.Select(r => new ClassRow { Text = r.Text, Text2 = r.Text2, Label = keys[r.Label!] }).ToArray(), schema);
    }

    private static SchemaDefinition Schema<T>(GlueTask task)
    {
        var schema = SchemaDefinition.Create(typeof(T));
        if (!task.IsPair)
            schema.Remove(schema.Single(c => c.MemberName == nameof(ClassRow.Text2)));
        return schema;
    }

    private sealed class ClassRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public uint Label { get; set; }
    }

    private sealed class ValueRow
    {
        public string? Text { get; set; }

        public string? Text2 { get; set; }

        public float Label { get; set; }
    }
}
