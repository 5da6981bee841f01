namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>
/// Programs outside of this tree that reference the package run on this system however they are built, though the package of
/// TorchSharp asks for a newer one: what they are built with is changed, and the package's file is not.
/// </summary>
[TestClass]
[TestCategory("Long")]
[DoNotParallelize]
[OSCondition(OperatingSystems.Linux)]
public class OlderLinuxTests
{
    private const string Library = "libLibTorchSharp.so";

    private static PackageFolder? _packed;

    private static PackageFolder Packed => _packed!;

    /// <summary>A program whose first line calls TorchSharp, and a class library through which it gets the package; all paths have a space.</summary>
    [ClassInitialize]
    public static void Write(TestContext context)
    {
        _packed = new("Microsoft.ML.LoraInit");
        Write("Directory.Build.props", """
            <Project>
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <CreateHardLinksForCopyFilesToOutputDirectoryIfPossible>true</CreateHardLinksForCopyFilesToOutputDirectoryIfPossible>
                <CreateHardLinksForPublishFilesIfPossible>true</CreateHardLinksForPublishFilesIfPossible>
              </PropertyGroup>
            </Project>
            """);
        Write("a library/library.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <ItemGroup><PackageReference Include="Microsoft.ML.LoraInit" Version="{Packed.Version}" /></ItemGroup>
            </Project>
            """);
        Write("a program/program.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><OutputType>Exe</OutputType></PropertyGroup>
              <ItemGroup>
                <ProjectReference Include="../a library/library.csproj" />
                <PackageReference Include="TorchSharp-cpu" Version="{BuildSettings.Get("TorchSharpVersion")}" />
              </ItemGroup>
            </Project>
            """);
        Write("a program/Program.cs", """
            using var zeros = TorchSharp.torch.zeros(3);
            System.Console.WriteLine($"{zeros.shape[0]} zeros");
            """);
    }

    [ClassCleanup]
    public static void Remove() => _packed?.Dispose();

    [TestMethod]
    [DataRow("build")]
    [DataRow("build -r linux-x64")]
    [DataRow("build -t:Rebuild")]
    [DataRow("publish")]
    [DataRow("publish -r linux-x64 --self-contained")]
    [DataRow("publish -r linux-x64 --self-contained -p:PublishSingleFile=true")]
    [DataRow("publish -r linux-x64 --self-contained -p:PublishSingleFile=true -p:IncludeNativeLibrariesForSelfExtract=true", DisplayName = "all in one file")]
    public void AProgramRunsHoweverItIsBuilt(string command)
    {
        using var output = new TemporaryFolder();
        Dotnet([.. command.Split(' '), "-o", output.File("out put"), "-warnaserror"]);

        Assert.AreEqual("3 zeros", ProgramCommand.Run(output.File("out put/program")).Trim());
        foreach (var file in Directory.GetFiles(output.Path, Library, SearchOption.AllDirectories))
            Assert.AreNotEqual(Original, Bytes(file), file);
    }

    [TestMethod]
    public void PublishingWithoutABuildTakesWhatWasBuilt()
    {
        using var output = new TemporaryFolder();
        Dotnet("build", "-c", "Release");
        Dotnet("publish", "-c", "Release", "--no-build", "-o", output.Path);

        Assert.AreEqual("3 zeros", ProgramCommand.Run(output.File("program")).Trim());
    }

    [TestMethod]
    public void ASecondBuildChangesNothingAndTheStepCanBeTurnedOff()
    {
        using var output = new TemporaryFolder();
        var file = output.File($"runtimes/linux-x64/native/{Library}");
        Dotnet("build", "-o", output.Path);
        var relaxed = Bytes(file);
        var written = File.GetLastWriteTimeUtc(file);

        StringAssert.Contains(Dotnet("build", "-o", output.Path, "-v", "n"), "Skipping target \"_LoraInitRelaxNative\"");
        Assert.AreEqual(written, File.GetLastWriteTimeUtc(file));
        Dotnet("build", "-o", output.Path, "-p:LoraInitOlderLinux=false");
        Assert.AreEqual(Original, Bytes(file));
        Dotnet("build", "-o", output.Path);
        Assert.AreEqual(relaxed, Bytes(file));
        Dotnet("clean", "-o", output.Path);
        Dotnet("build", "-o", output.Path);
        Assert.AreEqual(relaxed, Bytes(file));
    }

    private static string Original =>
        Bytes(Path.Combine(BuildSettings.Get("PackageFolder"), "torchsharp", BuildSettings.Get("TorchSharpVersion"), "runtimes", "linux-x64", "native", Library));

    private static string Bytes(string file) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)));

    private static string Dotnet(params string[] arguments) => DotnetCommand.Run(Path.Combine(Packed.Apps, "a program"), [.. arguments, "--nologo"]);

    private static void Write(string name, string text)
    {
        var path = Path.Combine(Packed.Apps, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
