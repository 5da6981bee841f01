using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class InspectCommandTests
{
    [TestMethod]
    public async Task FiguresComeAsTableJsonAndPage()
    {
        using var folder = new TemporaryFolder();
        var (json, html) = (folder.File("out.json"), folder.File("out.html"));
        var run = await CommandLineRun.InProcess(
            "inspect", "--base-model", "mini", "--init", "pissa", "--against", "milora", "--rank", "4", "--alpha", "8", "--probe-rows", "4",
            "--train", Topics.WriteTsv(folder.Path), "--kind", "multiclass", "--no-header", "--text-column", "1", "--label-column", "3",
            "--json", json, "--html", html);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        Assert.AreEqual(3, Directory.GetFiles(folder.Path).Length, "the rows and the two files, nothing temporary");

        var report = JsonNode.Parse(File.ReadAllText(json))!;
        Assert.AreEqual("mini", (string?)report["base_model"]);
        Assert.AreEqual("pissa", (string?)report["initialization"]!["name"]);
        Assert.AreEqual("milora", (string?)report["against"]!["name"]);
        Assert.AreEqual("BaseCorrected", (string?)report["family"]);
        Assert.AreEqual(4, (int?)report["probe_rows"]);
        Assert.AreEqual(Topics.Rows.Count, (int?)report["data_rows"]);
        Assert.IsTrue((double?)report["output_change"]!["max_logit"] < 1e-5);
        Assert.IsTrue((double?)report["cost"]!["seconds"] > 0);
        var layers = report["layers"]!.AsArray();
        Assert.AreEqual(8, layers.Count);
        foreach (var measures in layers.Select(l => l!["measures"]!).Append(report["total"]!))
        {
            Assert.IsTrue((double?)measures["product_ratio"] is > 0.05 and < 1);
            Assert.IsTrue((double?)measures["captured_energy"] is > 0.01 and < 1);
            Assert.IsTrue((double?)measures["effective_rank"] is > 1 and <= 4);
            Assert.IsTrue((double?)measures["weight_change"] < 1e-6);
            Assert.IsTrue((double?)measures["gradient_norm_a"] > 0 && (double?)measures["gradient_norm_b"] > 0);
            Assert.IsTrue((double?)measures["output_overlap"] < 1e-3 && (double?)measures["input_overlap"] < 1e-3);
        }
        Assert.AreEqual(4, (int?)layers[0]!["rank"]);
        Assert.AreEqual(2.0, (double?)layers[0]!["scaling"]);

        StringAssert.Contains(run.Output, "0.attention.self.query");
        StringAssert.Contains(run.Output, "together");
        StringAssert.Contains(run.Output, "Compared with milora");
        var page = File.ReadAllText(html);
        Assert.AreEqual(2 * 11, page.Split("<figure>").Length - 1, "ten measures and the hidden states, of both");
        Assert.IsFalse(page.Contains("<!--body", StringComparison.Ordinal) || page.Contains("/*styles", StringComparison.Ordinal), "every place is filled");
        Assert.AreEqual("milora", (string?)report["against_report"]!["initialization"]!["name"]);
        StringAssert.Contains(run.Output, "Side by side");
    }

    [TestMethod]
    public async Task WithoutDataThereAreNoGradients()
    {
        using var folder = new TemporaryFolder();
        var json = folder.File("out.json");
        var run = await CommandLineRun.InProcess("inspect", "--init", "gaussian", "--json", json, "--probe-rows", "2");
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        var report = JsonNode.Parse(File.ReadAllText(json))!;
        Assert.IsNull(report["total"]!["gradient_norm_a"]);
        Assert.AreEqual(0, (double?)report["total"]!["product_ratio"]);
        Assert.AreEqual(0, (double?)report["output_change"]!["max_logit"]);
        Assert.IsFalse(run.Output.Contains("‖∂A‖", StringComparison.Ordinal));
    }

    [TestMethod]
    [DataRow("inspect --init eva", "eva")]
    [DataRow("inspect --init pissa --against nonsense", "nonsense")]
    [DataRow("inspect --init pissa --html /nowhere/at/all/p.html", "--html")]
    [DataRow("inspect --init pissa --train x", "--task")]
    [DataRow("inspect --init pissa --probe-rows 0", "ProbeRows")]
    public async Task BadArgumentsEndWithTwoAndOneLine(string arguments, string named)
    {
        var run = await CommandLineRun.InProcess(arguments.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        Assert.AreEqual(1, run.Errors.Count, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Errors[0], named);
    }

    [TestMethod]
    public async Task HelpNamesWhatConcernsTheStart()
    {
        var run = await CommandLineRun.InProcess("inspect", "--help");
        foreach (var option in new[] { "--base-model", "--init", "--against", "--train", "--task", "--rank", "--alpha", "--target-modules", "--probe-rows", "--json", "--html", "--device" })
            StringAssert.Contains(run.Output, option);
        Assert.IsFalse(run.Output.Contains("--epochs", StringComparison.Ordinal));
    }
}
