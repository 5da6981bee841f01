using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.MadeUp;
using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary><c>--config</c>, and the report that is one.</summary>
[TestClass]
public sealed class ConfigFileTests
{
    [TestMethod]
    public async Task AReportGivesTheSameRunAgain()
    {
        using var folder = new TemporaryFolder();
        BankingIntents.WriteCsv(folder.File("rows.csv"), 154, seed: 0);
        var first = await Report(folder, "first.json", "--train", folder.File("rows.csv"), "--kind", "multiclass", "--validation-fraction", "0.25", "--epochs", "2", "--max-length", "24",
            "--init", "pissa:iterations=2", "--rank", "4", "--learning-rate", "2e-3", "--class-weights", "balanced", "--max-grad-norm", "0.5", "--early-stopping", "2", "--seed", "5", "--rslora", "--validation-metric", "f1");
        var again = await Report(folder, "again.json", "--config", folder.File("first.json"));
        Assert.AreEqual(Same(first), Same(again));
        Assert.AreEqual(2, first["run"]!["epochs"]!.AsArray().Count);
        var other = await Report(folder, "other.json", "--config", folder.File("first.json"), "--seed", "6");
        Assert.AreNotEqual(first["metrics"]!.ToJsonString(), other["metrics"]!.ToJsonString());

        // All that differs between two runs by their speed.
        static string Same(JsonObject report)
        {
            var run = report["run"]!.AsObject();
            foreach (var epoch in run["epochs"]!.AsArray())
            {
                epoch!.AsObject().Remove("seconds");
                epoch.AsObject().Remove("samples_per_second");
            }
            return string.Join('\n', report["metrics"]!.ToJsonString(), run["settings"]!.ToJsonString(), run["epochs"]!.ToJsonString(), run["base_model"]!.ToJsonString(), run["files"]!.ToJsonString());
        }
    }

    [TestMethod]
    public async Task AReportSaysAllThatARepetitionNeeds()
    {
        using var folder = new TemporaryFolder();
        BankingIntents.WriteCsv(folder.File("rows.csv"), 77, seed: 0);
        var run = (await Report(folder, "run.json", "--train", folder.File("rows.csv"), "--kind", "multiclass", "--epochs", "1", "--max-length", "16"))["run"]!;
        Assert.AreEqual("multiclass", (string?)run["settings"]!["kind"]);
        Assert.AreEqual("kaiming", (string?)run["settings"]!["init"]);
        Assert.AreEqual(8, (int?)run["settings"]!["rank"]);
        Assert.AreEqual("none", (string?)run["settings"]!["class-weights"]);
        Assert.IsNotNull(run["settings"]!["threads"]);
        Assert.IsNull(run["settings"]!["model"]);
        Assert.AreEqual("mini", (string?)run["base_model"]!["id"]);
        Assert.AreEqual(64, ((string)run["base_model"]!["sha256"]!).Length);
        Assert.AreEqual(64, ((string)run["files"]!["train"]!["sha256"]!).Length);
        Assert.AreEqual(77, (int?)run["files"]!["train"]!["rows"]);
        Assert.AreNotEqual("", (string?)run["environment"]!["torch_sharp"]);
        Assert.AreEqual("kaiming", (string?)run["initialization"]!["name"]);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public async Task RowsOfAPipeAreReadOnceAndTheReportHasTheirHash()
    {
        using var folder = new TemporaryFolder();
        var pipe = folder.File("pipe.csv");
        BankingIntents.WriteCsv(folder.File("rows.csv"), 77, seed: 0);
        Process.Start("mkfifo", [pipe]).WaitForExit();
        var write = OwnThread.Run(() => File.WriteAllBytes(pipe, File.ReadAllBytes(folder.File("rows.csv"))));
        var report = OwnThread.Run(() => Report(folder, "run.json", "--train", pipe, "--kind", "multiclass", "--epochs", "1", "--max-length", "16").GetAwaiter().GetResult());
        var files = (await report.WaitAsync(TimeSpan.FromMinutes(2)))["run"]!["files"]!;
        await write;
        Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(folder.File("rows.csv")))), (string?)files["train"]!["sha256"]);
    }

    [TestMethod]
    public async Task FilesThatHaveChangedAreNamed()
    {
        using var folder = new TemporaryFolder();
        var rows = folder.File("rows.csv");
        BankingIntents.WriteCsv(rows, 77, seed: 0);
        await Report(folder, "run.json", "--train", rows, "--kind", "multiclass", "--epochs", "1", "--max-length", "16");
        BankingIntents.WriteCsv(rows, 77, seed: 1);
        var again = await CommandLineRun.InProcess("train", "--config", folder.File("run.json"), "--model", folder.File("m.mlnet"));
        StringAssert.Contains(again.Errors.Single(), "rows.csv is not the file of");
    }

    [TestMethod]
    [DataRow("{ \"rnk\": 4 }", "'rnk', which is no option of train. Did you mean 'rank'?")]
    [DataRow("{ \"rank\": \"four\" }", "--rank: expected is a whole number, not 'four'.")]
    [DataRow("{ \"rslora\": 1 }", "'rslora' is true or false, not 1.")]
    [DataRow("[1]", "not a JSON object")]
    [DataRow("{", "not JSON (line 1)")]
    [DataRow("{ \"rank\": 1, \"rank\": 2 }", "Duplicate property 'rank'")]
    [DataRow("{ \"config\": \"x\" }", "'config', which is no option of train in a file.")]
    public async Task WhatIsNoConfigurationIsRefused(string json, string problem)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("c.json"), json);
        var run = await CommandLineRun.InProcess("train", "--config", folder.File("c.json"), "--train", "x.csv", "--model", folder.File("m.mlnet"), "--kind", "binary");
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), problem);
    }

    [TestMethod]
    public async Task ListsAndObjectsAreWrittenAsTyped()
    {
        using var folder = new TemporaryFolder();
        BankingIntents.WriteCsv(folder.File("rows.csv"), 77, seed: 0);
        File.WriteAllText(folder.File("c.json"), """
            {
              // what all our runs have
              "kind": "multiclass", "epochs": 1, "max_length": 16, "target_modules": ["query", "key"],
              "rank-pattern": { "query": 2, "key": 4 }, "layers": [0], "dora": true,
            }
            """);
        var run = (await Report(folder, "run.json", "--config", folder.File("c.json"), "--train", folder.File("rows.csv"), "--rank-pattern", "query=3"))["run"]!;
        Assert.AreEqual("query,key", (string?)run["settings"]!["target-modules"]);
        Assert.AreEqual("query=3", (string?)run["settings"]!["rank-pattern"]);
        Assert.IsTrue((bool?)run["settings"]!["dora"]);
    }

    [TestMethod]
    public async Task RowsCountAsMuchAsTheirColumnSays()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder.File("rows.csv"), ["text,label,weight", .. Enumerable.Range(0, 24).Select(i => $"word {i},{i % 2},{(i % 2 == 0 ? "1" : "0")}")]);
        var run = await CommandLineRun.InProcess("train", "--train", folder.File("rows.csv"), "--validation", folder.File("rows.csv"), "--kind", "binary", "--weight-column", "weight",
            "--epochs", "3", "--learning-rate", "1e-2", "--model", folder.File("m.mlnet"), "--json", folder.File("r.json"));
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        var predict = await CommandLineRun.InProcess("predict", "--model", folder.File("m.mlnet"), "--input", folder.File("rows.csv"), "--output", "-");
        // Rows of true count nothing, so nothing speaks for true.
        Assert.IsTrue(predict.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).All(l => l.StartsWith("false", StringComparison.Ordinal)), predict.Output);
        File.WriteAllText(folder.File("rows.csv"), "text,label,weight\na,0,-1\n");
        var wrong = await CommandLineRun.InProcess("train", "--train", folder.File("rows.csv"), "--kind", "binary", "--weight-column", "weight", "--model", folder.File("m.mlnet"));
        StringAssert.Contains(wrong.Errors.Single(), "line 2, column weight: '-1' is not a weight");
    }

    private static async Task<JsonObject> Report(TemporaryFolder folder, string name, params string[] arguments)
    {
        var run = await CommandLineRun.InProcess(["train", "--model", folder.File("m.mlnet"), "--json", folder.File(name), .. arguments]);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        return JsonNode.Parse(File.ReadAllText(folder.File(name)))!.AsObject();
    }
}
