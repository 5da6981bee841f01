using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Tests.Export;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Onnx;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class AdapterCommandTests
{
    [TestMethod]
    public async Task AnAdapterIsImportedUsedExportedAndMerged()
    {
        using var folder = new TemporaryFolder();
        var model = folder.File("model.mlnet");
        await Succeeds("adapter", "import", "--adapter", PeftAdapterTests.Adapter, "--base-model", "mini", "--kind", "multiclass", "--labels", "food,sport,weather", "--model", model);

        StringAssert.Contains((await Succeeds("predict", "--model", model, "--text", "The striker scored.")).Output, "sport");
        File.WriteAllLines(folder.File("rows.tsv"), ["Text\tLabel", "The soup tasted of garlic.\tfood", "The striker scored.\tsport"]);
        StringAssert.Contains((await Succeeds("evaluate", "--model", model, "--data", folder.File("rows.tsv"))).Output, "accuracy");
        StringAssert.Contains((await Succeeds("adapter", "info", "--model", model)).Output, "food, sport, weather");

        var export = await Succeeds("adapter", "export", "--model", model, "--out", folder.File("adapter"));
        StringAssert.Contains(export.Output, "exact");
        AssertEqualTensors(Path.Combine(PeftAdapterTests.Adapter, PeftNames.Weights), Path.Combine(folder.File("adapter"), PeftNames.Weights));
        StringAssert.Contains((await Succeeds("adapter", "info", "--adapter", folder.File("adapter"))).Output, "3 outputs");
        StringAssert.Contains((await Succeeds("adapter", "export", "--model", model, "--out", folder.File("small"), "--rank", "2")).Output, "relative error");

        await Succeeds("adapter", "merge", "--model", model, "--out", folder.File("merged"));
        using var merged = RobertaCheckpoint.FromDirectory(folder.File("merged")).Open(null, CancellationToken.None);
        CollectionAssert.Contains(merged.TensorNames.ToArray(), "classifier.out_proj.weight");
        StringAssert.Contains(File.ReadAllText(Path.Combine(folder.File("merged"), "README.md")), "library_name: transformers");

        StringAssert.Contains((await Succeeds("adapter", "onnx", "--model", model, "--out", folder.File("m.onnx"))).Output, folder.File("m.onnx"));
        StringAssert.Contains(OnnxFile.Read(folder.File("m.onnx")).Metadata["lorainit.classes"], "weather");
        await Succeeds("adapter", "onnx", "--model", model, "--out", folder.File("m8.onnx"), "--int8");
        Assert.AreEqual("true", OnnxFile.Read(folder.File("m8.onnx")).Metadata["lorainit.int8"]);
        await Succeeds("adapter", "onnx", "--model", model, "--out", folder.File("m8.mlnet"), "--int8");
        StringAssert.Contains((await Succeeds("predict", "--model", folder.File("m8.mlnet"), "--text", "The striker scored.")).Output, "sport");
        StringAssert.Contains((await Succeeds("predict", "--model", folder.File("m8.mlnet"), "--text", "The striker scored.", "--engine", "onnx", "--int8")).Output, "sport");
        var exact = await CommandLineRun.InProcess("predict", "--model", folder.File("m8.mlnet"), "--text", "x", "--engine", "onnx");
        Assert.AreEqual(ExitCodes.BadInput, exact.ExitCode);
        StringAssert.Contains(exact.Errors[0], "--engine onnx");
    }

    /// <summary>What a program that has never heard of the library finds: a base, an adapter over it, a tokenizer, a page.</summary>
    [TestMethod]
    public async Task TheEmbeddedBaseIsWrittenForOthers()
    {
        using var folder = new TemporaryFolder();
        var place = folder.File("base");
        await Succeeds("adapter", "base", "--out", place);
        CollectionAssert.IsSubsetOf(
            (string[])["config.json", "vocab.json", "merges.txt", "model.safetensors", "tokenizer_config.json", "README.md"], Directory.GetFiles(place).Select(Path.GetFileName).ToArray());
        await Succeeds("adapter", "import", "--adapter", PeftAdapterTests.Adapter, "--base-model", "mini", "--kind", "multiclass", "--labels", "food,sport,weather", "--model", folder.File("mini.mlnet"));
        await Succeeds("adapter", "export", "--model", folder.File("mini.mlnet"), "--out", folder.File("adapter"));
        await Succeeds("adapter", "import", "--adapter", folder.File("adapter"), "--base-model", place, "--kind", "multiclass", "--labels", "food,sport,weather", "--model", folder.File("folder.mlnet"));
        var answers = new List<string>();
        foreach (var model in (string[])["mini.mlnet", "folder.mlnet"])
            answers.Add((await Succeeds("predict", "--model", folder.File(model), "--text", "The striker scored.")).Output);
        Assert.AreEqual(answers[0], answers[1]);

        var files = Directory.GetFiles(folder.File("adapter")).Select(Path.GetFileName).ToArray();
        CollectionAssert.IsSubsetOf((string[])["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "README.md"], files);
        var card = File.ReadAllText(Path.Combine(folder.File("adapter"), "README.md"));
        StringAssert.StartsWith(card, "---\nlibrary_name: peft\n");
        foreach (var fact in (string[])["food, sport, weather", "lorainit adapter base --out BASE", "num_labels=3"])
            StringAssert.Contains(card, fact);
        var again = await CommandLineRun.InProcess("adapter", "base", "--out", place);
        Assert.AreEqual(ExitCodes.BadInput, again.ExitCode);
        StringAssert.Contains(again.Errors.Single(), "not empty");
    }

    [TestMethod]
    [DataRow("export")]
    [DataRow("merge")]
    public async Task AFolderThatIsTakenIsToldBeforeTheModelIsOpened(string command)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("taken"));
        File.WriteAllText(Path.Combine(folder.File("taken"), "x"), "");
        var run = await CommandLineRun.InProcess("adapter", command, "--model", folder.File("none.mlnet"), "--out", folder.File("taken"));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors[0], "--out");
    }

    [TestMethod]
    [DataRow("export")]
    [DataRow("merge")]
    public async Task WhereTwoTemperaturesBecomeOneIsSaid(string command)
    {
        using var folder = new TemporaryFolder();
        using var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c").With(new ScoreCalibration(1.25, null) { Bend = new(4, 2, 1) }), 3);
        var ml = new MLContext();
        ml.Model.Save(model, ml.Data.LoadFromEnumerable([new { Text = "", Label = "" }]).Schema, folder.File("m.mlnet"));
        StringAssert.Contains((await Succeeds("adapter", command, "--model", folder.File("m.mlnet"), "--out", folder.File("out"))).Output, "one temperature (1.250)");
    }

    [TestMethod]
    public async Task ModelsAreCombinedIntoOne()
    {
        using var folder = new TemporaryFolder();
        string[] models = [folder.File("one.mlnet"), folder.File("two.mlnet")];
        foreach (var model in models)
            await Succeeds("adapter", "import", "--adapter", PeftAdapterTests.Adapter, "--base-model", "mini", "--kind", "multiclass", "--labels", "food,sport,weather", "--model", model);
        var combine = await Succeeds("adapter", "combine", "--model", models[0], "--model", models[1], "--weights", "0.25,0.75", "--method", "cat", "--out", folder.File("both.mlnet"), "--head-from", models[1]);
        StringAssert.Contains(combine.Output, "cat");
        StringAssert.Contains((await Succeeds("predict", "--model", folder.File("both.mlnet"), "--text", "The striker scored.")).Output, "sport");

        var run = await CommandLineRun.InProcess("adapter", "combine", "--model", models[0], models[0], "--out", folder.File("x.mlnet"));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors[0], models[0]);
        Assert.IsFalse(File.Exists(folder.File("x.mlnet")));
    }

    [TestMethod]
    [DataRow("adapter combine --model m --out x", "--model")]
    [DataRow("adapter combine --model m n --weights 1 --out x", "--weights")]
    [DataRow("adapter combine --model m n --weights 1,a --out x", "'a'")]
    [DataRow("adapter combine --model m n --method mean --out x", "mean")]
    [DataRow("adapter combine --model m n m --out x", "given 2 times")]
    [DataRow("adapter combine --model m n --weights 1,-1 --out x", "--head-from")]
    [DataRow("adapter combine --model m n --head-from o --out x", "--head-from")]
    [DataRow("adapter info", "--adapter")]
    [DataRow("adapter info --adapter /nowhere/adapter", "/nowhere/adapter")]
    [DataRow("adapter export --model /nowhere/m --out x", "/nowhere/m")]
    [DataRow("adapter export --model m --out x --rank 0", "--rank")]
    [DataRow("adapter onnx --model /nowhere/m --out x", "/nowhere/m")]
    [DataRow("adapter onnx --model m --out /nowhere/m.onnx", "/nowhere")]
    [DataRow("adapter onnx --model m", "--out")]
    [DataRow("predict --model m --text t --engine tpu", "tpu")]
    [DataRow("adapter import --adapter a --kind multiclass --model m", "--labels")]
    [DataRow("adapter import --adapter a --kind binary --labels a,b --model m", "--labels")]
    [DataRow("adapter import --adapter /nowhere/a --kind binary --model m", "/nowhere/a")]
    [DataRow("adapter import --adapter a --kind ranking --model m", "ranking")]
    public async Task BadArgumentsEndWithTwoAndOneLine(string arguments, string named)
    {
        var run = await CommandLineRun.InProcess(arguments.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        Assert.AreEqual(1, run.Errors.Count, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Errors[0], named);
    }

    private static async Task<CommandLineRun> Succeeds(params string[] arguments)
    {
        var run = await CommandLineRun.InProcess(arguments);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        return run;
    }

    private static void AssertEqualTensors(string expectedPath, string actualPath)
    {
        using var scope = NewDisposeScope();
        using var expected = SafetensorsFile.Open(expectedPath);
        using var actual = SafetensorsFile.Open(actualPath);
        CollectionAssert.AreEquivalent(expected.Names.ToArray(), actual.Names.ToArray());
        foreach (var name in expected.Names)
            TensorAssert.Identical(expected.Read(name), actual.Read(name), name);
    }
}
