using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Libraries;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>An adapter library's folder.</summary>
internal class LibraryFolderFormat(Material material) : FuzzFormat
{
    private readonly RobertaCheckpoint _base = material.Base;

    public override string Name => "library";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } = [Parts(material)];

    public override IReadOnlyDictionary<string, byte[]> Pack(IReadOnlyDictionary<string, byte[]> parts)
    {
        var result = new Dictionary<string, byte[]>(parts, StringComparer.Ordinal);
        var manifest = Encoding.UTF8.GetString(parts[LibraryFolder.Manifest]);
        foreach (var (name, content) in parts.Where(p => p.Key != LibraryFolder.Manifest))
            manifest = manifest.Replace($"sha256 of {name}", Convert.ToHexStringLower(SHA256.HashData(content)), StringComparison.Ordinal);
        result[LibraryFolder.Manifest] = Encoding.UTF8.GetBytes(manifest);
        return result;
    }

    public override bool Read(string folder)
    {
        using var library = AdapterLibrary.Load(folder, null, _base);
        return Use(library);
    }

    protected static bool Use(AdapterLibrary library) =>
        library.Names.SelectMany(n => library.Predict(Material.Texts.Select(t => new AdapterRequest(n, t.First, library[n].IsPair ? "and another" : null)))).All(p => Material.Finite(p.Score) && (float.IsFinite(p.Probability) || double.IsNaN(p.Probability)));

    private static Dictionary<string, byte[]> Parts(Material material)
    {
        var folder = Path.Combine(material.Work, "library-seed");
        using (var library = AdapterLibrary.Create(material.Base))
        {
            foreach (var (name, scores, dora) in new (string, ScoreColumns, bool)[] { ("topic", new MulticlassColumns("Score", "PredictedLabel", 2, ClassNames.Of(["x", "y"])), true), ("value", new RegressionColumns("Score"), false) })
            {
                using var model = material.Model(scores, dora);
                library.Add(name, replace: false, () => AdapterReader.FromModel(name, model, library.Base, null));
            }
            library.Save(folder);
        }
        var parts = Directory.EnumerateFiles(folder).ToDictionary(p => Path.GetFileName(p), File.ReadAllBytes, StringComparer.Ordinal);
        Directory.Delete(folder, recursive: true);
        var manifest = Encoding.UTF8.GetString(parts[LibraryFolder.Manifest]);
        foreach (var (name, content) in parts)
            manifest = manifest.Replace(Convert.ToHexStringLower(SHA256.HashData(content)), $"sha256 of {name}", StringComparison.Ordinal);
        parts[LibraryFolder.Manifest] = Encoding.UTF8.GetBytes(manifest);
        return parts;
    }
}

/// <summary>A library inside an <c>.mlnet</c> file.</summary>
internal sealed class LibraryArchiveFormat(Material material) : LibraryFolderFormat(material)
{
    private const string Archive = "library.zip", Columns = "columns.json";

    public override string Name => "archive";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds =>
        [new Dictionary<string, byte[]>(base.Seeds[0]) { [Columns] = Encoding.UTF8.GetBytes("""{"Text":"Text","Text2":null,"Adapter":"Adapter","PredictedLabel":"PredictedLabel","Score":"Score","Probability":"Probability"}""") }];

    public override IReadOnlyDictionary<string, byte[]> Pack(IReadOnlyDictionary<string, byte[]> parts)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
            foreach (var (name, content) in base.Pack(parts))
            {
                using var entry = archive.CreateEntry(name == Columns ? name : $"library/{name}", CompressionLevel.NoCompression).Open();
                entry.Write(content);
            }
        return new Dictionary<string, byte[]> { [Archive] = stream.ToArray() };
    }

    public override bool Read(string folder)
    {
        using var stream = File.OpenRead(Path.Combine(folder, Archive));
        var (library, _) = LibraryArchive.Read(stream, new());
        using (library)
            return Use(library);
    }
}
