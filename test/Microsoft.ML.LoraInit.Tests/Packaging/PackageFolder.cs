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

    // As it was built with these tests; the templates have nothing to build, so the tests do not.
    private void Pack(string project) =>
        DotnetCommand.Run(BuildSettings.Source(), ["pack", Path.Combine("src", project), .. project == "Templates" ? Array.Empty<string>() : ["--no-build"], "-c", BuildSettings.Get("Configuration"), "-o", Packages,
            $"-p:PackageVersion={Version}", $"-p:TorchSharpVersion={BuildSettings.Get("TorchSharpVersion")}", $"-p:TorchBackend={BuildSettings.Get("TorchBackend")}", "--nologo", "-v", "q"]);

    /// <summary>Packs the command line, as <c>docs/packages.md</c> says, built in a folder of its own: a package a platform has other outputs than the tests.</summary>
    public void PackTool() =>
        DotnetCommand.Run(BuildSettings.Source(), "pack", Path.Combine("src", "Samples"), "-c", "Release", "-o", Packages, "-p:LoraTool=true", $"-p:PackageVersion={Version}",
            $"-p:TorchSharpVersion={BuildSettings.Get("TorchSharpVersion")}", $"-p:TorchBackend={BuildSettings.Get("TorchBackend")}", "--artifacts-path", _folder.File("built"), "--nologo", "-v", "q");

    /// <summary>Of this run alone, so that no cache can stand in for it.</summary>
    public string Version { get; }

    public string Packages => _folder.File("packages");

    public string Apps => _folder.File("apps");

    /// <summary>
    /// A project beside the packages with one file of code, as <c>dotnet new console</c> makes it, or <c>dotnet new web</c> where the code builds such a
    /// program. References are to the packages of this run, and to others in the versions of this tree.
    /// </summary>
    /// <returns>Its folder.</returns>
    public string Application(string name, string program, params string[] packages)
    {
        var app = Path.Combine(Apps, name);
        Directory.CreateDirectory(app);
        var versions = XDocument.Load(BuildSettings.Source("Directory.Packages.props")).Descendants("PackageVersion").ToLookup(p => p.Attribute("Include")!.Value, p => p.Attribute("Version")!.Value);
        string VersionOf(string package) => package.StartsWith("Microsoft.ML.LoraInit", StringComparison.Ordinal) ? Version
            : package.StartsWith("TorchSharp", StringComparison.Ordinal) ? BuildSettings.Get("TorchSharpVersion") : versions[package].Single();
        File.WriteAllText(Path.Combine(app, $"{name}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk{(program.Contains("WebApplication.", StringComparison.Ordinal) ? ".Web" : "")}">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
              </PropertyGroup>
              <ItemGroup>
                {string.Concat(packages.Select(p => $"<PackageReference Include=\"{p}\" Version=\"{VersionOf(p)}\" />"))}
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(app, "Program.cs"), program);
        return app;
    }

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
