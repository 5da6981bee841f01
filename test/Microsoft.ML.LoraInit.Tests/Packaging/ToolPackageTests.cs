using System.Runtime.InteropServices;
using System.Xml.Linq;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>The command line as a tool: a package for each platform, with its native libraries alone, and a small one that leads to them.</summary>
[TestClass]
[TestCategory("Long")]
[DoNotParallelize]
public class ToolPackageTests
{
    private const string Tool = "lorainit";
    private const long Megabyte = 1_000_000;

    private static PackageFolder? _packed;

    private static PackageFolder Packed => _packed!;

    [ClassInitialize]
    public static void Pack(TestContext context)
    {
        _packed = new();
        _packed.PackTool();
    }

    [ClassCleanup]
    public static void Remove() => _packed?.Dispose();

    [TestMethod]
    public void TheSmallPackageLeadsToThePlatforms()
    {
        Assert.IsLessThan(100_000, new FileInfo(Packed.FileOf(Tool)).Length);
        var settings = XDocument.Parse(Packed.Text(Tool, Packed.Entries(Tool).Single(e => e.EndsWith("DotnetToolSettings.xml", StringComparison.Ordinal))));
        CollectionAssert.AreEquivalent((string[])["lorainit.linux-x64", "lorainit.win-x64", "lorainit.osx-arm64"],
            settings.Descendants("RuntimeIdentifierPackage").Select(p => p.Attribute("Id")!.Value).ToArray());
    }

    /// <summary>docs/packages.md has the sizes.</summary>
    [TestMethod]
    [DataRow("linux-x64", 155, "libtorch_cpu.so,libtorch.so,libc10.so,libLibTorchSharp.so,libonnxruntime.so")]
    [DataRow("win-x64", 110, "torch_cpu.dll,torch.dll,c10.dll,LibTorchSharp.dll,onnxruntime.dll")]
    [DataRow("osx-arm64", 85, "libtorch_cpu.dylib,libtorch.dylib,libc10.dylib,libLibTorchSharp.dylib,libonnxruntime.dylib")]
    public void APlatformsPackageHasItsOwnLibrariesAlone(string platform, int megabytes, string libraries)
    {
        var id = $"{Tool}.{platform}";
        var names = Packed.Entries(id).Select(e => Path.GetFileName(e)).ToArray();

        Assert.IsLessThan(megabytes * Megabyte, new FileInfo(Packed.FileOf(id)).Length);
        CollectionAssert.IsSubsetOf(libraries.Split(','), names);
        foreach (var stem in (string[])["torch_cpu", "onnxruntime", "LdaNative"])
            Assert.HasCount(1, names.Where(n => n.StartsWith($"lib{stem}.", StringComparison.Ordinal) || n == $"{stem}.dll").ToArray(), $"{stem} in {string.Join(' ', names)}");
        Assert.IsEmpty(names.Where(n => n.Contains("torch_python", StringComparison.Ordinal) || n.Contains("SkiaSharp.d", StringComparison.Ordinal) && n.StartsWith("lib", StringComparison.Ordinal)).ToArray());
    }

    /// <summary>Installed from the folder into a place of its own, it trains, saves and predicts.</summary>
    [TestMethod]
    public void ItInstallsFromAFolderAndRuns()
    {
        if (RuntimeInformation.RuntimeIdentifier is not ("linux-x64" or "win-x64" or "osx-arm64"))
            Assert.Inconclusive($"There is no package for {RuntimeInformation.RuntimeIdentifier}.");
        var (tools, model) = (Path.Combine(Packed.Apps, "tools"), Path.Combine(Packed.Apps, "tool.mlnet"));
        DotnetCommand.Run(Packed.Apps, "tool", "install", Tool, "--version", Packed.Version, "--tool-path", tools, "--source", Packed.Packages);

        ProgramCommand.Run(Path.Combine(tools, Tool), "--epochs", "1", "--model", model);
        StringAssert.Contains(ProgramCommand.Run(Path.Combine(tools, Tool), "predict", "--model", model, "--text", "Where is my parcel?"), "Delivery");
    }
}
