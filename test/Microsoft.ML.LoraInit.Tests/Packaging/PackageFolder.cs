using System.IO.Compression;
using System.Xml.Linq;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>
/// The packages, packed from what these tests were built with, in a folder outside the source tree; and applications beside
/// them that take the packages from there and all others from where the machine has them.
/// </summary>
internal sealed class PackageFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public PackageFolder(params string[] projects)
    {
        Version = $"{BuildSettings.Get("PackageVersion")}.{Environment.ProcessId}";
        foreach (var project in projects)
            Pack(project);
        Directory.CreateDirectory(Apps);
        File.WriteAllText(Path.Combine(Apps, "NuGet.config"), $"""
            <configuration>
              <packageSources><add key="packed" value="{Packages}" /></packageSources>
              <fallbackPackageFolders><add key="machine" value="{BuildSettings.Get("PackageFolder")}" /></fallbackPackageFolders>
              <config><add key="globalPackagesFolder" value="{_folder.File("cache")}" /></config>
            </configuration>
            """);
    }

    /// <summary>Packs one more project, as it was built with these tests.</summary>
    public void Pack(string project, params string[] properties) =>
        DotnetCommand.Run(BuildSettings.Source(), ["pack", Path.Combine("src", project), "--no-build", "-c", BuildSettings.Get("Configuration"), "-o", Packages,
            $"-p:PackageVersion={Version}", $"-p:TorchSharpVersion={BuildSettings.Get("TorchSharpVersion")}", $"-p:TorchBackend={BuildSettings.Get("TorchBackend")}", .. properties, "--nologo", "-v", "q"]);

    /// <summary>Of this run alone, so that no cache can stand in for it.</summary>
    public string Version { get; }

    public string Packages => _folder.File("packages");

    public string Apps => _folder.File("apps");

    public string FileOf(string id, string extension = "nupkg") => Path.Combine(Packages, $"{id}.{Version}.{extension}");

    /// <summary>The names of a package's files.</summary>
    public IReadOnlyList<string> Entries(string id, string extension = "nupkg")
    {
        using var archive = ZipFile.OpenRead(FileOf(id, extension));
        return [.. archive.Entries.Select(e => e.FullName)];
    }

    public string Text(string id, string entry)
    {
        using var archive = ZipFile.OpenRead(FileOf(id));
        using var reader = new StreamReader(archive.GetEntry(entry)!.Open());
        return reader.ReadToEnd();
    }

    public XElement Metadata(string id) => XDocument.Parse(Text(id, $"{id}.nuspec")).Root!.Elements().Single();

    public void Dispose() => _folder.Dispose();
}
