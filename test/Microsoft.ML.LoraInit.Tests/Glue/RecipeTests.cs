using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Recipes;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Tests.Samples;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class RecipeTests
{
    private static readonly GridSpec Model = new() { Tasks = [], Initializations = [], LearningRates = [], Seeds = [], Epochs = new(0), BaseModel = "base" };

    public static IEnumerable<object[]> All => RecipeFiles.Names.Select(n => new object[] { n });

    [TestMethod]
    [DynamicData(nameof(All))]
    public void ThePlanIsTheCommittedOne(string name)
    {
        var lines = string.Join('\n', Lines(RecipeFiles.Read(name)).Distinct()) + "\n";
        var committed = Path.Combine(AppContext.BaseDirectory, "Glue", "Recipes", name + ".txt");
        if (Environment.GetEnvironmentVariable("LORAINIT_WRITE_RECIPES") is { } folder)
            File.WriteAllText(Path.Combine(folder, name + ".txt"), lines);
        else
            Assert.AreEqual(File.ReadAllText(committed).ReplaceLineEndings("\n"), lines);
    }

    [TestMethod]
    [DynamicData(nameof(All))]
    public void EverySettingSaysWhereItIsFrom(string name)
    {
        var recipe = RecipeFiles.Read(name);
        Assert.AreEqual(name, recipe.Name);
        foreach (var (setting, value) in recipe.Settings.Concat(recipe.Parts.SelectMany(p => p.Settings)))
            Assert.IsTrue(value.Source is { Length: > 5 }, $"{setting} has no source");
        foreach (var needed in new[] { "learning-rates", "epochs", "batch-size", "alphas", "max-grad-norm", "weight-decay", "decay-biases" })
            Assert.IsTrue(recipe.Settings.ContainsKey(needed), $"{needed} is left to a default");
    }

    [TestMethod]
    [DynamicData(nameof(All))]
    public void ItsStrategiesAndMethodsAreKnown(string name)
    {
        var recipe = RecipeFiles.Read(name);
        foreach (var part in recipe.Parts)
        {
            foreach (var init in Items(recipe, part, "inits"))
                LoraInitialization.Parse(init);
            foreach (var method in Items(recipe, part, "methods"))
                Methods.Of(method);
        }
    }

    [TestMethod]
    public void WhatIsGivenCountsInsteadOfTheRecipe()
    {
        var planned = Plan(RecipeFiles.Read("inilora-table4"), new() { ["train-rows"] = "500", ["epochs"] = "1", ["tasks"] = "cola" });
        Assert.IsTrue(RunGrid.Plan(planned.Parts).Groups.All(g => g is { TrainRows: 500, Epochs: 1, Task: "cola", MaxGradientNorm: 0, DecayBiases: true }));
    }

    [TestMethod]
    public void WhatIsNotAtHandIsLeftOutAndSaid()
    {
        var planned = Plan(RecipeFiles.Read("lora-table9"), hasData: task => task is not ("mnli" or "qqp"), maxLength: 128);
        var plan = RunGrid.Plan(planned.Parts);
        Assert.IsTrue(plan.Groups.All(g => g.Task is not ("mnli" or "qqp") && g.Start is null && g.MaxLength == 128));
        foreach (var said in new[] { "mnli: its files", "qqp: its files", "the start of rte from mnli", "rows of 512 tokens" })
            Assert.IsTrue(planned.LeftOut.Any(s => s.StartsWith(said, StringComparison.Ordinal)), said);
        Assert.AreEqual(0, Plan(RecipeFiles.Read("lora-table9"), hasData: _ => false).Parts.Count);
    }

    [TestMethod]
    public void AMethodThatDoesNotFitTheModelIsLeftOut()
    {
        var planned = Plan(RecipeFiles.Read("inilora-table1"), check: m => throw new ArgumentException($"not {m.Name}"));
        Assert.IsTrue(RunGrid.Plan(planned.Parts).Groups.All(g => g.Method == "lora"));
        Assert.IsTrue(planned.LeftOut.Contains("bitfit: not bitfit"));
    }

    [TestMethod]
    [DataRow("""{"name": "x"}""", "parts")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "parts": []}""", "no parts")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "parts": [{"title": "p", "settings": {"rate": {"value": "1"}}}]}""", "'rate'")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "wrong": 1, "parts": [{"title": "p"}]}""", "wrong")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "parts": [null]}""", "null")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "parts": [{"title": "p", "settings": {"ranks": null}}]}""", "'ranks' is null")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "parts": [{"title": "p", "settings": {"ranks": {"value": 8}}}]}""", "parts[0].settings.ranks.value, line 1: this is not what belongs here")]
    [DataRow("""{"name": "x", "title": "t", "source": "s", "parts": [{"title": "p", "settings": {"ranks": {"value": "8"}, "ranks": {"value": "9"}}}]}""", "ranks")]
    [DataRow("""{"name": "../x", "title": "t", "source": "s", "parts": [{"title": "p"}]}""", "'../x'")]
    [DataRow("", "line 1")]
    public void AFileThatIsNoRecipeIsRefused(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("mine.json"), text);
        StringAssert.Contains(Assert.ThrowsExactly<UsageException>(() => RecipeFiles.Read(folder.File("mine.json"))).Message, expected);
    }

    [TestMethod]
    public async Task RecipesAreListedAndPrinted()
    {
        var list = await CommandLineRun.InProcess("glue", "recipe");
        foreach (var name in RecipeFiles.Names)
            StringAssert.Contains(list.Output, name);
        var printed = await CommandLineRun.InProcess("glue", "recipe", "lora-table9");
        Assert.AreEqual("0.1", (string)JsonNode.Parse(printed.Output)!["settings"]!["weight-decay"]!["value"]!);
        var unknown = await CommandLineRun.InProcess("glue", "recipe", "table9");
        Assert.AreEqual(ExitCodes.BadInput, unknown.ExitCode);
        StringAssert.Contains(unknown.Errors.Single(), "lora-table9");
    }

    [TestMethod]
    [DoNotParallelize]
    public async Task AUsersRecipeRunsFromMadeUpMnliToAnAdapterThatRteStartsFrom()
    {
        using var folder = new TemporaryFolder();
        MadeUpGlue.Write(folder.File("data"));
        MadeUpGlue.WriteMnli(folder.File("data"));
        var text = RecipeFiles.Text("lora-table9").Replace("mrpc=mnli,rte=mnli,stsb=mnli", "rte=mnli,cola=mnli", StringComparison.Ordinal);
        File.WriteAllText(folder.File("mine.json"), text);
        string[] arguments =
        [
            "glue", "--recipe", folder.File("mine.json"), "--data-dir", folder.File("data"), "--epochs", "1", "--seeds", "0", "--threads", "1", "--tasks", "mnli,rte", "--out", folder.File("out"),
        ];
        var run = await CommandLineRun.InProcess(arguments);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors) + run.Output);
        StringAssert.Contains(run.Output, "left out: the report has means");
        var records = new RunStore(folder.File("out")).ReadAll();
        var rte = records.Single(r => r.Config.Task == "rte");
        StringAssert.StartsWith(rte.Config.Start, "mnli-lora-kaiming-r8-lr5e-4-s0-");
        Assert.IsTrue(File.Exists(Path.Combine(folder.File("out"), "starts", rte.Config.Start!, "adapter_config.json")));
        Assert.IsFalse(Directory.Exists(Path.Combine(folder.File("out"), "starts", rte.Config.Start! + ".work")));
        Assert.IsTrue(records.Single(r => r.Config.Task == "mnli").FactorizationError > 0);
        StringAssert.Contains((await CommandLineRun.InProcess(arguments)).Output, "0 runs finished, 2 were there already");
    }

    private static RecipePlan Plan(
        Recipe recipe, Dictionary<string, string?>? given = null, Func<string, bool>? hasData = null, int maxLength = 512, Action<FineTuningMethod>? check = null) =>
        RecipePlan.Of(recipe, given ?? [], Model, maxLength, check ?? (_ => { }), hasData ?? (_ => true), tolerant: true);

    // Strategy by strategy as the recipe writes it, so that the list does not depend on what settings strategies have by now.
    private static IEnumerable<string> Lines(Recipe recipe) =>
        from part in recipe.Parts
        from init in Items(recipe, part, "inits")
        from line in Lines(RunGrid.Plan(Plan(recipe with { Parts = [part] }, new() { ["inits"] = "kaiming" }).Parts), init)
        select line;

    private static IReadOnlyList<string> Items(Recipe recipe, RecipePart part, string setting) =>
        GridText.Listed((part.Settings.GetValueOrDefault(setting) ?? recipe.Settings.GetValueOrDefault(setting))?.Value ?? GridText.Defaults[setting]!);

    // A line a group: its runs are those of every rate with every seed.
    private static IEnumerable<string> Lines(GridPlan plan, string init) => plan.Groups.Select(g => string.Create(CultureInfo.InvariantCulture,
        $"{g.Task} {g.Method} {(Methods.HasAdapters(g.Method) ? init : "none")} r={g.Rank} alpha={g.Alpha} epochs={g.Epochs} batch={g.BatchSize} warmup={g.WarmupRatio} decay={g.WeightDecay}{(g.DecayBiases ? " of all" : "")} "
        + $"clip={g.MaxGradientNorm ?? 1} length={g.MaxLength} rows={g.TrainRows?.ToString(CultureInfo.InvariantCulture) ?? "all"} start={plan.Starts?.GetValueOrDefault(g.Start ?? "")?.Task ?? "fresh"} "
        + $"| rates {string.Join(' ', plan.RatesOf(g))} | seeds {string.Join(' ', plan.Seeds)}{(plan.SweepSeeds is { } k ? $", {k} swept" : "")}"));
}
