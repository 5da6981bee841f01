using System.Diagnostics;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>What docs/command-line.md prints for other programs: completion in bash, and two scripts in Python.</summary>
[TestClass]
public sealed class PrintedScriptTests
{
    private const string Page = "docs/command-line.md";

    // Stands in for a tracker: prints what it is told.
    private const string Tracker = """
        import contextlib
        class Run:
            summary = {}
            def log(self, values, step): print("metrics", step, sorted(values))
        @contextlib.contextmanager
        def start_run(run_name): print("run", run_name); yield
        @contextlib.contextmanager
        def init(project, config):
            print("params", config["epochs"]); run = Run(); yield run
            print("summary", sorted(run.summary))
        def log_params(values): print("params", values["epochs"])
        def log_metrics(values, step=None): print("metrics", step, sorted(values))
        def log_artifact(path): print("artifact", path)
        """;

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void BashCompletesCommandsAndOptions()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "lorainit.dll");
        string Completed(string line)
        {
            var words = line.Split(' ');
            return Run("bash", "-c", $"""
                lorainit() {"{"} dotnet '{program}' "$@"; {"}"}
                {Block("bash", "")}
                COMP_LINE='{line}' COMP_POINT={line.Length} COMP_WORDS=({string.Join(' ', words.Select(w => $"'{w}'"))}) COMP_CWORD={words.Length - 1}
                _lorainit; echo "$COMPREPLY"
                """).Trim();
        }

        Assert.AreEqual("evaluate", Completed("lorainit eval"));
        Assert.AreEqual("--not-sure-below", Completed("lorainit predict --not-s"));
        Assert.AreEqual("multilabel", Completed("lorainit train --kind multil"));
    }

    [TestMethod]
    [DataRow("mlflow", "run kaiming|params 2|metrics 1 ['train_loss', 'validation_accuracy'|metrics None ['accuracy'|artifact ")]
    [DataRow("wandb", "params 2|metrics 1 ['accuracy'|summary ['accuracy'")]
    public async Task ATrackersScriptTakesTheReport(string tracker, string told)
    {
        if (!IsThere("python3"))
            Assert.Inconclusive("There is no python3.");
        using var folder = new TemporaryFolder();
        await ReadersFiles.Write("docs/languages.md", folder);
        await new SmallCommand(folder) { TrainsAsPrinted = true }.Run(new(Page, "", "train --kind binary --train reviews.de.tsv --validation reviews.fr.tsv --epochs 2 --max-length 24 --model m.mlnet --json run.json"));
        File.WriteAllText(folder.File($"{tracker}.py"), Tracker);
        File.WriteAllText(folder.File($"to_{tracker}.py"), Block("python", tracker));

        var output = Run("python3", folder.File($"to_{tracker}.py"), folder.File("run.json"));
        foreach (var line in told.Split('|'))
            StringAssert.Contains(output, line);
    }

    private static string Block(string language, string with) =>
        DocPages.Blocks(Page).Single(b => b.Language == language && b.Text.Contains(with, StringComparison.Ordinal)).Text;

    private static bool IsThere(string program) => Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(p => File.Exists(Path.Combine(p, program)));

    private static string Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments);
        start.Environment["LC_ALL"] = "C"; // bash warns of a locale that is not installed
        return ProgramCommand.Run(start);
    }
}
