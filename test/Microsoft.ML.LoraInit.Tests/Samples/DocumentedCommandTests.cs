using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.MadeUp;
using Microsoft.ML.LoraInit.Samples.Commands;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>The commands that the documentation shows: all are understood, and those of whole pages run as printed.</summary>
[TestClass]
public sealed partial class DocumentedCommandTests
{
    /// <summary>Pages whose commands are not run as printed, and what holds them instead.</summary>
    private static readonly Dictionary<string, string> NotRun = new()
    {
        ["README.md"] = "GLUE's files: TrainEvaluatePredictTests and InspectCommandTests run the same on made-up rows",
        ["docs/adapters.md"] = "needs two trained models: AdapterCommandTests",
        ["docs/embeddings.md"] = "needs the reader's rows: EmbedCommandTests and TaskSampleTests",
        ["docs/glue.md"] = "downloads, and hours: GlueGridRunTests, TwoStageGridTests and RecipeTests",
        ["docs/hosting.md"] = "needs a trained model: PredictShardTests",
        ["docs/languages.md"] = "needs a base of the hub: XLM-R's tests train on a small one",
        ["docs/methods.md"] = "a grid on GLUE: GlueGridRunTests",
        ["docs/onnx.md"] = "needs a trained model: AdapterCommandTests and TrainEvaluatePredictTests",
        ["docs/packages.md"] = "the installed tool: PackageTests",
        ["docs/peft.md"] = "needs a trained model: AdapterCommandTests",
        ["docs/tasks.md"] = "needs the reader's rows: MultiLabelCommandTests",
        ["docs/start.md"] = "needs the reader's rows: FormatCommandTests",
        ["src/Samples/PACKAGE.md"] = "SST-2's files: TrainEvaluatePredictTests",
    };

    private static readonly string Root = Path.GetDirectoryName(BuildSettings.Source("README.md"))!;

    public static IEnumerable<object[]> Commands => Pages().SelectMany(page => CommandsOf(page).Select(command => new object[] { page, command }));

    [TestMethod]
    [DynamicData(nameof(Commands))]
    public void EveryCommandIsUnderstood(string page, string command)
    {
        // What a file adds is not on the line.
        var problems = Cli.Problems(Words(command)).Where(p => !command.Contains("--config", StringComparison.Ordinal) || !p.Contains("required", StringComparison.Ordinal));
        Assert.IsEmpty(problems.ToArray(), $"{page}: {command}");
    }

    [TestMethod]
    public void EveryPageIsRunOrHasAReason() => CollectionAssert.IsSubsetOf(
        Pages().Where(page => CommandsOf(page).Any()).ToArray(), NotRun.Keys.Append("docs/command-line.md").ToArray());

    [TestMethod]
    public async Task TheCommandLinesPageRunsAsPrinted()
    {
        using var folder = new TemporaryFolder();
        BankingIntents.WriteCsv(folder.File("banking.csv"), 154, seed: 0);
        File.WriteAllText(folder.File("settings.json"), Block("docs/command-line.md", "json"));
        foreach (var command in CommandsOf("docs/command-line.md"))
            await Run(folder, command);
        Assert.IsTrue(File.Exists(folder.File("again.json")));
    }

    private static async Task Run(TemporaryFolder folder, string command)
    {
        var parts = command.Split(" < ");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "lorainit.dll"), .. Words(parts[0])])
        {
            WorkingDirectory = folder.Path,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (parts.Length > 1)
            await process.StandardInput.WriteAsync(File.ReadAllText(folder.File(parts[1])));
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        Assert.AreEqual(0, process.ExitCode, $"{command}: {await error}{await output}");
    }

    private static IEnumerable<string> Pages() =>
        Directory.GetFiles(Path.Combine(Root, "docs"), "*.md").Append(Path.Combine(Root, "README.md")).Append(Path.Combine(Root, "src", "Samples", "PACKAGE.md"))
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/')).Order(StringComparer.Ordinal);

    private static IEnumerable<string> CommandsOf(string page) =>
        from block in Blocks(page)
        where block.Language is "sh" or ""
        from line in Continued().Replace(block.Text, " ").Split('\n')
        let command = Command().Match(line.Trim())
        // With … it is the beginning of one.
        where command.Success && command.Groups[1].Length > 0 && !command.Value.Contains('…')
        select Comment().Replace(command.Groups[1].Value, "").Trim();

    private static string Block(string page, string language) => Blocks(page).First(b => b.Language == language).Text;

    private static IEnumerable<(string Language, string Text)> Blocks(string page)
    {
        string? language = null;
        List<string> lines = [];
        foreach (var line in File.ReadLines(Path.Combine(Root, page)))
        {
            bool fence = line.StartsWith("```", StringComparison.Ordinal);
            if (fence && language is not null)
                yield return (language, string.Join('\n', lines));
            if (fence)
                (language, lines) = (language is null ? line[3..].Trim() : null, []);
            else
                lines.Add(line);
        }
    }

    // As a shell cuts them; [what may be left out] is taken, and one of two alternatives.
    private static string[] Words(string command) =>
        [.. Word().Matches(command.Split(" < ")[0].Split(" | ")[0].Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Replace("--rank R", "--rank 4", StringComparison.Ordinal))
            .Select(m => m.Value.Replace("\"", "", StringComparison.Ordinal))];

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex(@"^(?:lorainit|dotnet run (?:-c Release )?--project src/Samples --)(?:$| +(?!#)(.*)$)")]
    private static partial Regex Command();

    [GeneratedRegex(@"\s+#\s.*$")]
    private static partial Regex Comment();

    [GeneratedRegex("(?:\"[^\"]*\"|[^\\s\"])+")]
    private static partial Regex Word();
}
