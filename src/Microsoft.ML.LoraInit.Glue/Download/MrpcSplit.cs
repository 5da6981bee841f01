using System.Text;

namespace Microsoft.ML.LoraInit.Glue.Download;

/// <summary>Makes MRPC's train.tsv and dev.tsv from its owners' file, as GLUE splits it: by a list of id pairs.</summary>
internal static class MrpcSplit
{
    public const string PairsFile = "msr_paraphrase_train.txt";
    public const string DevIdsFile = "mrpc_dev_ids.tsv";

    private const string Header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String";

    /// <exception cref="GlueDataException">The file is not as its owners publish it.</exception>
    public static void Write(string pairs, string devIds, string folder)
    {
        var dev = File.ReadLines(devIds).Select(l => l.Trim()).Where(l => l.Length > 0).ToHashSet(StringComparer.Ordinal);
        var lines = File.ReadAllLines(pairs);
        if (lines.Length == 0 || lines[0].TrimStart('\uFEFF') != Header)
            throw new GlueDataException(pairs, 1, null, $"the header is not '{Header}'.");
        StringBuilder train = Start(), held = Start();
        for (var i = 1; i < lines.Length; i++)
        {
            var cells = lines[i].Split('\t');
            if (cells.Length != 5)
                throw new GlueDataException(pairs, i + 1, null, $"{cells.Length} columns found, 5 expected.");
            (dev.Contains($"{cells[1]}\t{cells[2]}") ? held : train).Append(lines[i]).Append('\n');
        }
        WholeFile.Write(Path.Combine(folder, "dev.tsv"), s => s.Write(Encoding.UTF8.GetBytes(held.ToString())));
        WholeFile.Write(Path.Combine(folder, "train.tsv"), s => s.Write(Encoding.UTF8.GetBytes(train.ToString())));
    }

    private static StringBuilder Start() => new StringBuilder(Header).Append('\n');
}
