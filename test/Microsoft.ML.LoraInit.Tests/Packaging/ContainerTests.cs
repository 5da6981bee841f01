using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Trainers;

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
        var ml = Topics.Context();
        using (var onnx = (IDisposable)TrainedModels.Multiclass.ToOnnxRuntime())
            ml.Model.Save((ITransformer)onnx, Topics.View(ml).Schema, folder.File("topics.mlnet"));
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
        DotnetCommand.Run(BuildSettings.Source(), words);
        return folder.File("app");
    }

    private static async Task Serves(string program, string model)
    {
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, $"--models:topics={model}", "--urls", "http://127.0.0.1:0"]) { RedirectStandardOutput = true })!;
        try
        {
            using var client = new HttpClient { BaseAddress = await WebLoadTests.Address(process) };
            await WebHost.WaitFor(client, h => h.Status == "Healthy");
            process.Refresh();
            Console.WriteLine($"It serves after {watch.ElapsedMilliseconds} ms, in {process.WorkingSet64 >> 20} MB.");
            using var response = await client.PostAsJsonAsync("/models/topics/predict", new { text = SavedModel.Texts[0] });
            StringAssert.Contains(await response.Content.ReadAsStringAsync(), "\"label\":\"food\"");
            using var explained = await client.PostAsJsonAsync("/models/topics/explain", new { text = SavedModel.Texts[0] });
            StringAssert.Contains(await explained.Content.ReadAsStringAsync(), "LeftOut");
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
    }

    private static long Megabytes(string folder) => Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) >> 20;

    [GeneratedRegex(@"path: (/\S+)")]
    private static partial Regex PathPattern();

    [GeneratedRegex(@"--[a-z][a-z0-9-]+")]
    private static partial Regex OptionPattern();
}
