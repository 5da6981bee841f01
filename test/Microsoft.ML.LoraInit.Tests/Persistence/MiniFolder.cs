using Microsoft.ML.LoraInit.Data;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

/// <summary>The mini model as a folder that a test may change.</summary>
internal static class MiniFolder
{
    public static string Create(TemporaryFolder folder)
    {
        var path = Directory.CreateDirectory(folder.File("base")).FullName;
        foreach (var name in new[] { "config.json", "vocab.json", "merges.txt", "model.safetensors" })
        {
            using var source = RobertaMiniData.Open(name);
            using var target = File.Create(Path.Combine(path, name));
            source.CopyTo(target);
        }
        return path;
    }

    public static void ChangeOneWeight(string path)
    {
        using var weights = File.Open(Path.Combine(path, "model.safetensors"), FileMode.Open);
        weights.Position = weights.Length - 1;
        var last = weights.ReadByte();
        weights.Position = weights.Length - 1;
        weights.WriteByte((byte)(last ^ 1));
    }
}
