using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Tests.Hosts;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>What the container files publish, and what the manifests beside them say. No image is built here.</summary>
[TestClass]
[DoNotParallelize]
public sealed partial class ContainerTests
{
    /// <summary>The publish step of the serving image, and a service started from what it gives.</summary>
    [TestMethod]
    [TestCategory("Long")]
    public async Task TheServingImageHasNoLibtorchAndServes()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("The image is one for Linux.");
        using var folder = new TemporaryFolder();
        var app = Publish("eng/serving/Containerfile", folder, arguments: []);
        string[] names = [.. Directory.GetFiles(app, "*", SearchOption.AllDirectories).Select(f => Path.GetFileName(f)!)];
        Console.WriteLine($"The serving image's application: {Megabytes(app)} MB in {names.Length} files.");

        CollectionAssert.Contains(names, "libonnxruntime.so");
        CollectionAssert.DoesNotContain(names, "onnxruntime.dll", "Windows' library");
        Assert.IsFalse(names.Any(n => n.Contains("torch_cpu", StringComparison.Ordinal) || n.StartsWith("libc10", StringComparison.Ordinal)), string.Join(' ', names));
        SavedModel.First.MoveTo(folder.File("topics.mlnet"), onnx: true);
        await Serves(Path.Combine(app, "lorainit-web.dll"), folder.File("topics.mlnet"));
    }

    [TestMethod]
    [TestCategory("Long")]
    public void TheTrainingImageHasTheCommandLine()
    {
        using var folder = new TemporaryFolder();
        var app = Publish("eng/glue/Containerfile", folder, [new("$BACKEND", "cpu")]);
        Console.WriteLine($"The training image's application: {Megabytes(app)} MB.");

        var help = ProgramCommand.Run(new ProcessStartInfo("dotnet", [Path.Combine(app, "lorainit.dll"), "--help"]));
        StringAssert.Contains(help, "train");
        Assert.IsTrue(File.Exists(Path.Combine(app, "libtorch_cpu.so")) || Directory.GetFiles(app, "libtorch_cpu.so", SearchOption.AllDirectories).Length > 0);
    }

    [TestMethod]
    public async Task TheManifestsProbesAreAddressesOfTheService()
    {
        using var folder = new TemporaryFolder();
        SavedModel.First.MoveTo(folder.File("model.mlnet"));
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        await host.WaitFor(h => h.Status == "Healthy");
        var paths = PathPattern().Matches(File.ReadAllText(BuildSettings.Source("eng", "serving", "deployment.yaml"))).Select(m => m.Groups[1].Value).Distinct().ToArray();

        CollectionAssert.AreEquivalent((string[])["/metrics", "/health", "/health/live"], paths);
        foreach (var path in paths)
        {
            using var response = await host.Client.GetAsync(new Uri(path, UriKind.Relative));
            Assert.IsTrue(response.IsSuccessStatusCode, path);
        }
    }

    [TestMethod]
    [DataRow("scoring-job.yaml")]
    [DataRow("slurm-array.sh")]
    public async Task TheJobsOptionsAreThoseOfTheCommandLine(string file)
    {
        var help = (await Samples.CommandLineRun.InProcess("predict", "--help")).Output;
        var text = File.ReadAllText(BuildSettings.Source("eng", "serving", file));
        var options = OptionPattern().Matches(text[text.LastIndexOf("predict", StringComparison.Ordinal)..]).Select(m => m.Value).Distinct().ToArray();

        CollectionAssert.Contains(options, "--shard");
        foreach (var option in options)
            StringAssert.Contains(help, option);
    }

    /// <summary>Runs the file's <c>dotnet publish</c> with another output folder.</summary>
    private static string Publish(string file, TemporaryFolder folder, KeyValuePair<string, string>[] arguments)
    {
        const string Output = "/app";
        var step = File.ReadAllLines(BuildSettings.Source(file.Split('/'))).Single(line => line.StartsWith("RUN dotnet publish ", StringComparison.Ordinal));
        foreach (var (name, value) in arguments)
            step = step.Replace(name, value, StringComparison.Ordinal);
        string[] words = [.. step.Split(' ')[2..].Select(word => word == Output ? folder.File("app") : word)];
        CollectionAssert.Contains(words, folder.File("app"));
        // Its own intermediate files: those of the build that these tests come from are of other settings.
        DotnetCommand.Run(BuildSettings.Source(), [.. words, "--artifacts-path", folder.File("artifacts")]);
        return folder.File("app");
    }

    private static async Task Serves(string program, string model)
    {
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, $"--models:topics={model}", "--poll", "0.05", "--urls", "http://127.0.0.1:0"]) { RedirectStandardOutput = true })!;
        try
        {
            using var client = new HttpClient { BaseAddress = await WebLoadTests.Address(process) };
            await WebHost.WaitFor(client, h => h.Status == "Healthy");
            Console.WriteLine($"It serves after {watch.ElapsedMilliseconds} ms, in {WebLoadTests.Memory(process)} MB.");
            using var explained = await client.PostAsJsonAsync("/models/topics/explain", new { text = SavedModel.Texts[0] });
            StringAssert.Contains(await explained.Content.ReadAsStringAsync(), "LeftOut");
            var warmUp = new LoadRun(client, model, clients: 50, onnx: true);
            await warmUp.Run(TimeSpan.FromSeconds(4), () => { });
            foreach (int clients in (int[])[1, 50, 200])
                await Load(process, client, model, clients);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
    }

    /// <summary>Some clients, through two reloads.</summary>
    private static async Task Load(Process process, HttpClient client, string model, int clients)
    {
        var memory = new List<long>();
        var run = new LoadRun(client, model, clients, onnx: true);
        var watch = Stopwatch.StartNew();
        await run.Run(TimeSpan.FromSeconds(8), () => memory.Add(WebLoadTests.Memory(process)));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{clients} clients: {run.Count / watch.Elapsed.TotalSeconds:0} answers a second, {run.Errors.Count} errors, p50 {run.Percentile(0.5):0.0} ms, p99 {run.Percentile(0.99):0.0} ms, MB {string.Join(", ", memory)}"));
        Assert.AreEqual(0, run.Errors.Count, string.Join(Environment.NewLine, run.Errors.Take(3)));
        Assert.IsTrue(memory[^1] < memory[0] + 64, $"The process grew from {memory[0]} MB to {memory[^1]} MB.");
    }

    private static long Megabytes(string folder) => Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) >> 20;

    [GeneratedRegex(@"path: (/\S+)")]
    private static partial Regex PathPattern();

    [GeneratedRegex(@"--[a-z][a-z0-9-]+")]
    private static partial Regex OptionPattern();
}
