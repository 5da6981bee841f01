using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Output;
using Microsoft.ML.LoraInit.Tests.Glue;
using Spectre.Console;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>What people see at terminals of several widths.</summary>
[TestClass]
public sealed class TerminalTests
{
    [TestMethod]
    [DataRow(80, false)]
    [DataRow(50, false)]
    [DataRow(80, true)]
    [DataRow(50, true)]
    public void ATableFitsAndLosesNothing(int width, bool live)
    {
        string[] head = ["strategy", .. Enumerable.Range(0, 12).Select(i => $"task {i}")];
        var rows = Enumerable.Range(0, 3).Select(r => (string[])[$"a strategy with a long name of its own {r}", .. Enumerable.Range(0, 12).Select(c => $"{r}{c}.00 ± 1.0")]).ToArray();
        var text = Written(width, live, terminal => TextTable.Write(terminal, head, rows, total: true));
        Assert.IsLessThanOrEqualTo(width, text.Split('\n').Max(l => l.TrimEnd().Length), text);
        foreach (var cell in head.Concat(rows.SelectMany(r => r.Skip(1))))
            StringAssert.Contains(text, cell);
    }

    [TestMethod]
    public void AWideTerminalHasOneTable()
    {
        var text = Written(200, live: false, terminal => TextTable.Write(terminal, ["name", "a", "b"], [["x", "1", "22"]]));
        Assert.AreEqual("name  a   b\nx     1  22\n", text);
    }

    [TestMethod]
    [DataRow(80)]
    [DataRow(50)]
    public void AGridsResultsFit(int width)
    {
        var records = PlausibleRuns.Make("mini", ["cola", "mrpc", "rte", "stsb", "sst2"], ["kaiming", "pissa", "full"], [1e-3], [0, 1]);
        var text = Written(width, live: false, terminal => ResultTable.Write(terminal, ReportBuilder.Build([.. records])));
        Assert.IsLessThanOrEqualTo(width, text.Split('\n').Skip(2).Max(l => l.Length), text);
        StringAssert.Contains(text, "strategy");
        StringAssert.Contains(text, "average");
    }

    [TestMethod]
    [DataRow(80)]
    [DataRow(50)]
    public void BarsFit(int width)
    {
        var text = Written(width, live: false, terminal => PredictionBars.Write(terminal, "text", ["direct_debit_and_a_very_long_name_of_a_class", "b"], [0.75f, 0.25f]));
        Assert.IsLessThanOrEqualTo(width, text.Split('\n').Max(l => l.Length), text);
        StringAssert.Contains(text, "75.0 %");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void EachEpochLeavesItsLine(bool live)
    {
        var text = Written(100, live, terminal => ProgressDisplay.Show(terminal, progress =>
        {
            for (int epoch = 1; epoch <= 3; epoch++)
                for (int report = 0; report < 2; report++)
                    progress.Report(new TrainingProgress { Phase = TrainingPhase.Training, Epoch = epoch, MaxEpochs = 3, Step = epoch * 4, TotalSteps = 12, Loss = report == 0 ? 9 : epoch / 10.0, MetricName = "accuracy", Metric = 0.5 + epoch / 100.0 });
            return 0;
        }));
        foreach (var line in (string[])["Epoch 1/3 · loss 0.100 · accuracy 0.510", "Epoch 2/3 · loss 0.200 · accuracy 0.520", "Epoch 3/3 · loss 0.300 · accuracy 0.530"])
            Assert.IsTrue(text.Split('\n').Any(l => l.Trim() == line), $"{line} in {text}");
    }

    [TestMethod]
    public void AHintIsWhatCanBeTyped()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("lorainit", ProgramName.Of(folder.Path));
        File.WriteAllText(folder.File("Samples.csproj"), "");
        Assert.AreEqual("dotnet run --project src/Samples --", ProgramName.Of(Path.Combine(folder.Path, "bin", "Debug", "net10.0")));
    }

    [TestMethod]
    [DataRow(1, "row", "1 row")]
    [DataRow(2, "row", "2 rows")]
    [DataRow(0, "class", "0 classes")]
    public void OneIsNotMany(int number, string thing, string expected) => Assert.AreEqual(expected, Count.Of(number, thing));

    [TestMethod]
    public async Task AReportOnNothingIsBadInput()
    {
        using var folder = new TemporaryFolder();
        foreach (var (place, problem) in new[] { (folder.Path, "give the folder that 'glue --out' wrote"), (folder.File("none"), "is no folder") })
        {
            var run = await CommandLineRun.InProcess("glue", "report", place);
            Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
            StringAssert.Contains(run.Errors.Single(), problem);
        }
        Assert.IsFalse(Directory.Exists(folder.File("none")));
    }

    [TestMethod]
    public async Task TheShellIsToldWhatFits()
    {
        var run = await CommandLineRun.InProcess("[suggest:15]", "train --init pi");
        Assert.AreEqual("pissa", run.Output.Trim());
    }

    private static string Written(int width, bool live, Action<Terminal> write)
    {
        using var output = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No, Interactive = InteractionSupport.No });
        console.Profile.Width = width;
        write(new Terminal(console, output, output, live));
        return output.ToString().ReplaceLineEndings("\n");
    }
}
