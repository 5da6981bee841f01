using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>What may happen to a model's file, from the first model on, each after the other.</summary>
internal static class FileEvents
{
    private static readonly Lazy<byte[]> LazyNotFinite = new(() =>
    {
        using var trained = MadeUpModels.Create("plain", MadeUpModels.Multiclass("food", "sport", "weather"), 3);
        trained.Model.State.Tensors.First(t => t.Key.EndsWith("out_proj.bias", StringComparison.Ordinal)).Value.fill_(float.NaN);
        // With PredictedLabel as a text, as the service reads it.
        var ml = Topics.Context();
        var view = Topics.View(ml);
        using var onnx = trained.ToOnnxRuntime();
        var labels = ml.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(onnx.Transform(view));
        using var stream = new MemoryStream();
        ml.Model.Save(new Microsoft.ML.Data.TransformerChain<ITransformer>(onnx, labels), view.Schema, stream);
        return stream.ToArray();
    });

    /// <summary>A model for ONNX Runtime that loads and answers with NaN.</summary>
    public static byte[] NotFinite => LazyNotFinite.Value;

    public static IReadOnlyList<FileEvent> All { get; } =
    [
        new("changed in place", path => File.WriteAllBytes(path, SavedModel.Second.Bytes), () => SavedModel.Second),
        new("truncated", path => Truncate(path), null),
        new("moved over", SavedModel.First.MoveTo, () => SavedModel.First),
        new("deleted", File.Delete, null),
        new("a link swapped, as Kubernetes does", Mount, () => SavedModel.Second),
        new("the link swapped again", Swap, () => SavedModel.First),
        new("touched only", path => File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes(1)), () => SavedModel.First),
        new("replaced by a broken file", path => MoveOver(path, "no model"u8.ToArray()), null),
        new("whole again", SavedModel.Second.MoveTo, () => SavedModel.Second),
        new("replaced by a model that answers with NaN", path => MoveOver(path, NotFinite), null),
        new("whole in the end", SavedModel.First.MoveTo, () => SavedModel.First),
    ];

    private static void Truncate(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        file.SetLength(file.Length / 2);
    }

    /// <summary>Puts content in a file's place as a whole: nobody sees a part of it.</summary>
    public static void MoveOver(string path, byte[] content)
    {
        File.WriteAllBytes(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>model.mlnet → ..data/model.mlnet, ..data → ..1.</summary>
    private static void Mount(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        Write(folder, "..1", SavedModel.Second);
        Directory.CreateSymbolicLink(Path.Combine(folder, "..data"), "..1");
        File.CreateSymbolicLink(path, Path.Combine("..data", Path.GetFileName(path)));
    }

    /// <summary>..data → ..2, in one step.</summary>
    private static void Swap(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        Write(folder, "..2", SavedModel.First);
        Directory.CreateSymbolicLink(Path.Combine(folder, "..data_tmp"), "..2");
        if (OperatingSystem.IsWindows())
        {
            Directory.Delete(Path.Combine(folder, "..data"));
            Directory.Move(Path.Combine(folder, "..data_tmp"), Path.Combine(folder, "..data"));
        }
        else
        {
            Assert.AreEqual(0, Rename(Path.Combine(folder, "..data_tmp"), Path.Combine(folder, "..data")));
        }
    }

    // File.Move refuses links to folders.
    [DllImport("libc", EntryPoint = "rename")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Rename([MarshalAs(UnmanagedType.LPUTF8Str)] string from, [MarshalAs(UnmanagedType.LPUTF8Str)] string to);

    private static void Write(string folder, string name, SavedModel model)
    {
        Directory.CreateDirectory(Path.Combine(folder, name));
        File.WriteAllBytes(Path.Combine(folder, name, "model.mlnet"), model.Bytes);
    }
}

/// <param name="Name">What happens.</param>
/// <param name="Apply">Lets it happen to the file.</param>
/// <param name="Serves">Which model serves then without complaint; null where the model before serves on, and the service says why.</param>
internal sealed record FileEvent(string Name, Action<string> Apply, Func<SavedModel>? Serves);
