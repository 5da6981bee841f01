using Microsoft.ML.LoraInit.Samples.Commands;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>The commands that the pages show: all are understood, and all run, in small, but for those that a list names with the reason.</summary>
[TestClass]
public sealed class DocumentedCommandTests
{
    /// <summary>The beginnings of commands that are not run here, and why.</summary>
    private static readonly Dictionary<string, string> NotRun = new()
    {
        ["lorainit glue download"] = "downloads: GlueDownloaderTests",
        ["lorainit glue --data-dir /tmp/glue"] = "hours, as a report recorded them: parsed",
        ["lorainit glue --data-dir GLUE"] = "hours, as a report recorded them: parsed",
        ["lorainit glue merge DIRS"] = "of hours of runs: TwoStageGridTests and ReportFilesTests",
        ["lorainit glue report docs/results"] = "rewrites the pages themselves: ReportFilesTests and PeerFiguresTests",
        ["lorainit glue --recipe"] = "whole grids: RecipeTests",
        ["dotnet add package"] = "of packages just built: PackageTests",
        ["dotnet new"] = "of packages just built: PackageTests",
        ["dotnet tool install"] = "of packages just built: ToolPackageTests",
        ["dotnet pack"] = "PackageTests and ToolPackageTests",
        ["dotnet test"] = "the tests themselves",
        ["dotnet format"] = "the build itself",
        ["dotnet run --project eng/ApiDocs"] = "ApiReferenceTests",
        ["dotnet run --project src/Samples/Web"] = "does not end: WebSampleTests",
        ["dotnet run --project src/Samples/ModelBuilder"] = "SampleProgramTests",
        ["dotnet run --project src/Samples/SideBySide"] = "SampleProgramTests",
        ["dotnet run -c Release --project test/Microsoft.ML.LoraInit.Benchmarks"] = "measures, for minutes and on idle machines",
        ["dotnet run -- "] = "the template's program: PackageTests",
        ["dotnet run"] = "the reader's program: PackageTests",
        ["python eng/benchmarks/peft_benchmark.py"] = "needs Python with PEFT, and a GPU",
        ["python3 eng/benchmarks/alternate.py"] = "needs Python with PyTorch; measures",
        ["cd "] = "a place to be",
    };

    public static IEnumerable<object[]> Ours => from page in DocPages.All from c in DocCommands.Of(page) where c.Arguments?.Length > 0 select new object[] { page, c.Text };

    public static IEnumerable<object[]> InProse => from page in DocPages.All from c in DocCommands.InProse(page).Distinct() select new object[] { page, c };

    /// <summary>Pages whose commands take more than a few seconds, even in small: grids, and samples on their own rows.</summary>
    private static readonly string[] Slow = ["docs/embeddings.md", "docs/glue.md", "src/Samples/PACKAGE.md"];

    public static IEnumerable<object[]> QuickPages => Runnable.Except(Slow).Select(page => new object[] { page });

    public static IEnumerable<object[]> SlowPages => Runnable.Intersect(Slow).Select(page => new object[] { page });

    private static IEnumerable<string> Runnable => DocPages.All.Where(page => DocCommands.Of(page).Any(IsRun));

    [TestMethod]
    [DynamicData(nameof(Ours))]
    public void EveryCommandIsUnderstood(string page, string command)
    {
        var arguments = DocCommands.Of(page).First(c => c.Text == command).Arguments!;
        // What a file adds is not on the line.
        var problems = Cli.Problems(SmallCommand.AsPrinted(arguments)).Where(p => !command.Contains("--config", StringComparison.Ordinal) || !p.Contains("required", StringComparison.Ordinal));
        Assert.IsEmpty(problems.ToArray(), $"{page}: {command}");
    }

    [TestMethod]
    [DynamicData(nameof(InProse))]
    public void ACommandInTheTextIsUnderstood(string page, string command)
    {
        // It may leave out what goes without saying there.
        var problems = Cli.Problems(SmallCommand.AsPrinted(command)).Where(p => !p.Contains("required", StringComparison.OrdinalIgnoreCase));
        Assert.IsEmpty(problems.ToArray(), $"{page}: lorainit {command}");
    }

    [TestMethod]
    [DynamicData(nameof(QuickPages))]
    public Task APagesCommandsRunOneAfterTheOther(string page) => RunAll(page);

    [TestMethod]
    [TestCategory("Long")]
    [DynamicData(nameof(SlowPages))]
    public Task APagesLongCommandsRunOneAfterTheOther(string page) => RunAll(page);

    [TestMethod]
    public void WhatIsNotRunIsOnTheListAndTheListIsNoLonger()
    {
        var others = DocPages.All.SelectMany(DocCommands.Of).Where(c => !IsRun(c)).ToArray();
        var unexplained = others.Where(c => Reason(c) is null).Select(c => $"{c.Page}: {c.Text}").ToArray();
        Assert.IsEmpty(unexplained, $"Run these, or say why not:\n{string.Join('\n', unexplained)}");
        var unused = NotRun.Keys.Where(k => !others.Any(c => Reason(c) == k)).ToArray();
        Assert.IsEmpty(unused, $"No page has these any more: {string.Join("; ", unused)}");
    }

    private static async Task RunAll(string page)
    {
        using var folder = new TemporaryFolder();
        await ReadersFiles.Write(page, folder);
        var small = new SmallCommand(folder);
        foreach (var command in DocCommands.Of(page).Where(IsRun))
            await small.Run(command);
    }

    private static bool IsRun(DocCommand command) => command.Arguments is not null && Reason(command) is null;

    private static string? Reason(DocCommand command) => NotRun.Keys.FirstOrDefault(k => command.Text.StartsWith(k, StringComparison.Ordinal));
}
