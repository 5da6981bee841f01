using System.Collections;
using Microsoft.Build.Framework;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>The build step around <see cref="RelaxLibraryVersion.Relax"/>: files and warnings.</summary>
[TestClass]
public class RelaxLibraryVersionTaskTests
{
    [TestMethod]
    public void TheCopyIsChangedAndTheSourceIsNot()
    {
        using var folder = new TemporaryFolder();
        var elf = new SmallElf();

        Assert.AreEqual("", Run(folder, elf.Build()));
        CollectionAssert.AreEqual(elf.Build(), File.ReadAllBytes(folder.File("package.so")));
        CollectionAssert.AreEqual((elf with { Flags = 2 }).Build(), File.ReadAllBytes(folder.File("obj/copy.so")));
        CollectionAssert.AreEqual((string[])["copy.so"], Directory.GetFiles(folder.File("obj")).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void AFileThatIsNotAsExpectedIsCopiedWithOneWarning()
    {
        using var folder = new TemporaryFolder();
        var file = new SmallElf { Relocations = [2] }.Build();

        StringAssert.StartsWith(Run(folder, file), $"LORA0001: {folder.File("package.so")} is used as it is: it uses {SmallElf.Unused} of {SmallElf.Version}.");
        CollectionAssert.AreEqual(file, File.ReadAllBytes(folder.File("obj/copy.so")));
    }

    [TestMethod]
    public void ACopyThatCannotBeWrittenIsOneWarning()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("obj"), "not a folder");

        StringAssert.StartsWith(Run(folder, new SmallElf { Relocations = [2] }.Build()), $"LORA0002: {folder.File("package.so")} is used as it is:");
    }

    /// <returns>The warning, or nothing.</returns>
    private static string Run(TemporaryFolder folder, byte[] file)
    {
        File.WriteAllBytes(folder.File("package.so"), file);
        var engine = new Engine();
        var task = new RelaxLibraryVersion
        {
            BuildEngine = engine,
            Source = folder.File("package.so"),
            Destination = folder.File("obj/copy.so"),
            Library = SmallElf.Library,
            Version = SmallElf.Version,
            UnusedSymbol = SmallElf.Unused,
        };
        Assert.IsTrue(task.Execute(), "No build fails for it.");
        Assert.IsTrue(engine.Warnings.Count < 2, string.Join('\n', engine.Warnings));
        return engine.Warnings.SingleOrDefault() ?? "";
    }

    private sealed class Engine : IBuildEngine
    {
        public List<string> Warnings { get; } = [];

        public bool ContinueOnError => false;

        public int LineNumberOfTaskNode => 0;

        public int ColumnNumberOfTaskNode => 0;

        public string ProjectFileOfTaskNode => "";

        public void LogWarningEvent(BuildWarningEventArgs e) => Warnings.Add($"{e.Code}: {e.Message}");

        public void LogErrorEvent(BuildErrorEventArgs e) => Assert.Fail(e.Message ?? "");

        public void LogMessageEvent(BuildMessageEventArgs e)
        {
        }

        public void LogCustomEvent(CustomBuildEventArgs e)
        {
        }

        public bool BuildProjectFile(string projectFileName, string[] targetNames, IDictionary globalProperties, IDictionary targetOutputs) => throw new NotSupportedException();
    }
}
