using System.Xml.Linq;
using Microsoft.ML.LoraInit.Tests.Hosts;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>The packages as an application gets them: what is in them, and that the printed code runs with them.</summary>
[TestClass]
[TestCategory("Long")]
[DoNotParallelize]
public class PackageTests
{
    private const string Library = "Microsoft.ML.LoraInit";
    private const string Mini = "Microsoft.ML.LoraInit.Data.RobertaMini";
    private const string OnnxRuntime = "Microsoft.ML.LoraInit.OnnxRuntime";
    private const string Glue = "Microsoft.ML.LoraInit.Glue";
    private const string Hosting = "Microsoft.ML.LoraInit.Hosting";
    private const string Interactive = "Microsoft.ML.LoraInit.Interactive";
    private const string Templates = "Microsoft.ML.LoraInit.Templates";

    private static PackageFolder? _packed;

    private static PackageFolder Packed => _packed!;

    [ClassInitialize]
    public static void Pack(TestContext context) => _packed = new(Library, Mini, Glue, OnnxRuntime, Hosting, Interactive, "Templates");

    [ClassCleanup]
    public static void Remove() => _packed?.Dispose();

    [TestMethod]
    [DataRow(Library, "buildTransitive/Microsoft.ML.LoraInit.targets,buildTransitive/RelaxLibraryVersion.cs")]
    [DataRow(Mini, "")]
    [DataRow(Glue, "")]
    [DataRow(OnnxRuntime, "buildTransitive/Microsoft.ML.LoraInit.OnnxRuntime.targets")]
    [DataRow(Hosting, "")]
    [DataRow(Interactive, "")]
    public void APackageHasItsAssemblyCommentsReadmeAndSymbols(string id, string buildSteps)
    {
        var entries = Packed.Entries(id);

        CollectionAssert.IsSubsetOf((string[])["README.md", $"lib/net10.0/{id}.dll", $"lib/net10.0/{id}.xml"], entries.ToList());
        Assert.AreEqual(1, entries.Count(e => e.EndsWith(".dll", StringComparison.Ordinal)), "A build step's or a dependency's assembly came along.");
        Assert.AreEqual(buildSteps, string.Join(',', entries.Where(e => e.StartsWith("build", StringComparison.Ordinal)).Order(StringComparer.Ordinal)));
        Assert.IsFalse(entries.Any(e => e.StartsWith("runtimes", StringComparison.Ordinal)));
        CollectionAssert.Contains(Packed.Entries(id, "snupkg").ToList(), $"lib/net10.0/{id}.pdb");
    }

    [TestMethod]
    [DataRow(Library, "Microsoft.ML,Microsoft.ML.Tokenizers,TorchSharp")]
    [DataRow(Mini, "")]
    [DataRow(OnnxRuntime, "Microsoft.ML.LoraInit,Microsoft.ML.OnnxRuntime.Managed")]
    [DataRow(Glue, "Microsoft.ML")]
    [DataRow(Hosting, "Microsoft.Extensions.Diagnostics.HealthChecks,Microsoft.Extensions.Hosting.Abstractions,Microsoft.Extensions.Options,Microsoft.ML.LoraInit")]
    [DataRow(Interactive, "Microsoft.AspNetCore.Html.Abstractions,Microsoft.DotNet.Interactive.Formatting,Microsoft.ML.LoraInit")]
    public void APackageDependsOnWhatItUsesAndOnNoNativeLibrary(string id, string expected)
    {
        var metadata = Packed.Metadata(id);
        XName Named(string name) => metadata.Name.Namespace + name;

        Assert.AreEqual(expected, string.Join(',', metadata.Descendants(Named("dependency")).Select(d => d.Attribute("id")!.Value).Order(StringComparer.Ordinal)));
        Assert.AreEqual("MIT", metadata.Element(Named("license"))!.Value);
        Assert.AreEqual("README.md", metadata.Element(Named("readme"))!.Value);
        Assert.IsNull(metadata.Element(Named("repository"))?.Attribute("url"), "The address of a clone's remote is nobody's business.");
    }

    [TestMethod]
    public void TheReadmesShowTheSameCode() =>
        Assert.AreEqual(Code(File.ReadAllText(BuildSettings.Source("README.md"))), Code(Packed.Text(Library, "README.md")));

    /// <summary>A console project that references the packages, with the README's code and nothing around it.</summary>
    [TestMethod]
    public void TheReadmesCodeRunsAsPrinted()
    {
        var app = Packed.Application("readme", Code(File.ReadAllText(BuildSettings.Source("README.md"))), Library, Mini, Torch);
        File.Copy(BuildSettings.Source("src", "Samples", "Data", "support-intents.train.tsv"), Path.Combine(app, "train.tsv"));
        File.Copy(BuildSettings.Source("src", "Samples", "Data", "support-intents.test.tsv"), Path.Combine(app, "test.tsv"));

        var printed = DotnetCommand.Run(app, "run").ReplaceLineEndings("\n").Trim().Split('\n');
        var promised = Block(File.ReadAllText(BuildSettings.Source("README.md")), "```\nOpening mini\n").Split('\n');
        CollectionAssert.AreEqual(promised.Select(Numberless).ToArray(), printed.Select(Numberless).ToArray(), "The README shows other lines than the program prints.");
        Assert.AreEqual(Accuracy(promised), Accuracy(printed), 0.04, "The README's accuracy is another one.");

        var ml = new MLContext(seed: 0);
        using var model = (IDisposable)ml.Model.Load(Path.Combine(app, "model.mlnet"), out var schema);
        using var engine = ml.Model.CreatePredictionEngine<Review, Answer>((ITransformer)model, schema);
        var answer = engine.Predict(new Review { Text = "You charged my card two times for one month." });
        CollectionAssert.Contains((string[])["Delivery", "Billing", "Account", "Technical", "Refund", "Feedback"], answer.PredictedLabel);
        Assert.AreEqual(1, answer.Score.Sum(), 1e-4);
    }

    /// <summary>The printed lines of a web program, with what stands around them in any, asked once.</summary>
    [TestMethod]
    public void TheHostingPackagesCodeServes()
    {
        var printed = Code(Packed.Text(Hosting, "README.md"));
        var model = Path.Combine(Packed.Apps, "topics.mlnet");
        SavedModel.First.MoveTo(model);
        var (before, route) = (printed[..printed.IndexOf("app.MapPost", StringComparison.Ordinal)], printed[printed.IndexOf("app.MapPost", StringComparison.Ordinal)..]);
        var app = Packed.Application("hosting", $$"""
            {{before.Replace("builder.Services.AddLoraText", "var builder = WebApplication.CreateBuilder(args);\nbuilder.Services.AddLoraText", StringComparison.Ordinal)
                .Replace("/models/reviews.mlnet", model, StringComparison.Ordinal)}}
            var app = builder.Build();
            {{route}}
            app.Urls.Add("http://127.0.0.1:0");
            await app.StartAsync();
            using var client = new HttpClient();
            using var answer = await client.PostAsJsonAsync($"{app.Urls.First()}/predict", new Review { Text = {{Literal(SavedModel.Texts[0])}} });
            Console.WriteLine($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            await app.StopAsync();

            class Review { public string Text { get; set; } = ""; public string Label { get; set; } = ""; }
            class Prediction { public string PredictedLabel { get; set; } = ""; public float[] Score { get; set; } = []; }
            """, Hosting, Mini, Torch, "OpenTelemetry.Extensions.Hosting");

        StringAssert.Matches(DotnetCommand.Run(app, "run"), new("""200 {"predictedLabel":"(food|sport|weather)","score":\[0"""));
    }

    [TestMethod]
    public void TheInteractivePackageShowsMetricsAsATable()
    {
        var app = Packed.Application("interactive", """
            using Microsoft.DotNet.Interactive.Formatting;
            using Microsoft.ML;
            using Microsoft.ML.LoraInit;

            Microsoft.ML.LoraInit.Interactive.LoraFormatters.Register();
            var ml = new MLContext();
            var rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 9).Select(i => new Row { Label = i, Score = 2 * i + 1 }));
            Console.WriteLine(ml.Regression.EvaluateCorrelation(rows, "Label").ToDisplayString("text/html"));

            class Row { public float Label { get; set; } public float Score { get; set; } }
            """, Interactive, Torch);

        StringAssert.Matches(DotnetCommand.Run(app, "run"), new("(?s)<table.*Pearson.*1"));
    }

    /// <summary>The template, installed into a place of its own, made, built, trained and asked.</summary>
    [TestMethod]
    [DataRow("classes", "pissa", "accuracy", "[A-Z][a-z]+  [0-9]+", "You charged my card two times.")]
    [DataRow("binary", "kaiming", "ROC", "(yes|no)  [0-9]+", "A joy from start to end.")]
    [DataRow("labels", "kaiming", "micro F1", "Urgent +[0-9]+", "Send the money back, and quickly please!")]
    [DataRow("score", "olora", "squared error", "-?[0-9]+[.,][0-9]{2}", "A man sings.", "A man is singing.")]
    public void TheTemplatesProgramTrainsAndAnswers(string kind, string initialization, string metric, string answer, params string[] texts)
    {
        var hive = Path.Combine(Packed.Apps, $"hive-{kind}");
        DotnetCommand.Run(Packed.Apps, "new", "install", Packed.FileOf(Templates), "--debug:custom-hive", hive);
        DotnetCommand.Run(Packed.Apps, "new", "loratext", "--output", $"My.{kind}", "--kind", kind, "--initialization", initialization, "--backend", Backend,
            "--no-update-check", "--debug:custom-hive", hive);
        var app = Path.Combine(Packed.Apps, $"My.{kind}");
        DotnetCommand.Run(app, "build", "-warnaserror", "--nologo", "-v", "q");

        StringAssert.Contains(DotnetCommand.Run(app, "run", "--no-build"), metric);
        StringAssert.Matches(DotnetCommand.Run(app, ["run", "--no-build", "--", .. texts]), new(answer));
        // Too many words are no reason to train again.
        var trained = File.GetLastWriteTimeUtc(Path.Combine(app, "model.mlnet"));
        Assert.Throws<AssertFailedException>(() => DotnetCommand.Run(app, "run", "--no-build", "--", "three", "words", "here"));
        Assert.AreEqual(trained, File.GetLastWriteTimeUtc(Path.Combine(app, "model.mlnet")));
    }

    [TestMethod]
    public void TheTemplateAndTheReadmesNameTheVersionsOfThisTree()
    {
        var template = Packed.Text(Templates, "content/loratext/.template.config/template.json");
        StringAssert.Contains(template, $"\"defaultValue\": \"{Packed.Version}\"");
        StringAssert.Contains(template, $"\"defaultValue\": \"{BuildSettings.Get("TorchSharpVersion")}\"");
        foreach (var readme in (string[])[Packed.Text(Templates, "README.md"), Packed.Text(Library, "README.md")])
        {
            StringAssert.Contains(readme, BuildSettings.Get("TorchSharpVersion"));
            Assert.IsFalse(readme.Contains("$(", StringComparison.Ordinal), readme);
        }
    }

    private static string Backend => BuildSettings.Get("TorchBackend") == "cuda" ? "cuda-linux" : "cpu";

    private static string Torch => $"TorchSharp-{Backend}";

    private static string Literal(string text) => System.Text.Json.JsonSerializer.Serialize(text);

    private static string Code(string readme) => Block(readme, "```csharp\n") + "\n";

    /// <summary>What stands in the first block that begins so; its first line counts where it is part of <paramref name="start"/>.</summary>
    private static string Block(string readme, string start)
    {
        readme = readme.ReplaceLineEndings("\n");
        var from = readme.IndexOf(start, StringComparison.Ordinal) + start.IndexOf('\n', StringComparison.Ordinal) + 1;
        return readme[from..readme.IndexOf("```", from, StringComparison.Ordinal)].TrimEnd();
    }

    private static string Numberless(string line) => System.Text.RegularExpressions.Regex.Replace(line, "[0-9.]+", "#");

    private static double Accuracy(string[] lines) =>
        double.Parse(lines.Single(l => l.StartsWith("accuracy ", StringComparison.Ordinal)).Split(' ', ',')[1], System.Globalization.CultureInfo.InvariantCulture);

    private sealed class Review
    {
        public string Label { get; set; } = "";

        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }
}
