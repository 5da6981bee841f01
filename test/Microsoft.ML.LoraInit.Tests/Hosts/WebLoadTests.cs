using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

[TestClass]
[DoNotParallelize]
public class WebLoadTests
{
    [TestMethod]
    public async Task FortyClientsGetRightAnswersThroughTwoReloads()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        SavedModel.First.MoveTo(path);
        _ = SavedModel.Second;
        await using var host = await WebHost.Start(path);
        await host.WaitFor(h => h.Status == "Healthy");

        var run = new LoadRun(host.Client, path, clients: 40);
        await run.Run(TimeSpan.FromSeconds(1), () => { });

        Assert.AreEqual(0, run.Errors.Count, string.Join(Environment.NewLine, run.Errors.Take(5)));
        Assert.IsTrue(run.Count > 40, $"{run.Count} answers");
    }

    [TestMethod]
    public async Task MoreThanMayWaitIsRefusedAtOnce()
    {
        using var folder = new TemporaryFolder();
        SavedModel.First.MoveTo(folder.File("model.mlnet"));
        await using var host = await WebHost.Start(folder.File("model.mlnet"), "--concurrency", "1", "--queue", "1");
        await host.WaitFor(h => h.Status == "Healthy");

        // On one core requests may come one after the other: then once more.
        var statuses = new HashSet<int>();
        for (int round = 0; round < 100 && statuses.Count < 2; round++)
            statuses.UnionWith(await Task.WhenAll(Enumerable.Range(0, 60).Select(Status)));

        CollectionAssert.AreEquivalent(new[] { 200, 503 }, statuses.ToArray());

        async Task<int> Status(int i)
        {
            using var content = new StringContent($$"""{"text": "{{new string('a', 5000)}} {{i}}"}""", System.Text.Encoding.UTF8, "application/json");
            using var response = await host.Client.PostAsync(new Uri("/predict", UriKind.Relative), content);
            return (int)response.StatusCode;
        }
    }

    /// <summary>The service in a process of its own, whose memory is watched from here.</summary>
    [TestMethod]
    [TestCategory("Long")]
    public async Task TwoHundredClientsForAMinute()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        SavedModel.First.MoveTo(path);
        _ = SavedModel.Second;
        using var process = Process.Start(new ProcessStartInfo("dotnet",
            ["exec", Path.Combine(AppContext.BaseDirectory, "lorainit-web.dll"), "--model", path, "--urls", "http://127.0.0.1:0"])
        {
            RedirectStandardOutput = true,
        })!;
        try
        {
            using var client = new HttpClient { BaseAddress = await Address(process) };
            await WebHost.WaitFor(client, h => h.Status == "Healthy");
            // Eight reloads: until then the collector and the allocator still take what they will keep.
            var warmUp = new LoadRun(client, path, clients: 200);
            for (int i = 0; i < 4; i++)
                await warmUp.Run(TimeSpan.FromSeconds(3), () => { });
            long before = Memory(process);

            var memory = new List<long>();
            var run = new LoadRun(client, path, clients: 200);
            var watch = Stopwatch.StartNew();
            await run.Run(TimeSpan.FromSeconds(20), () => memory.Add(Memory(process)));
            double seconds = watch.Elapsed.TotalSeconds;

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{run.Count} answers in {seconds:0} s ({run.Count / seconds:0} a second) to 200 clients, {run.Errors.Count} errors; p50 {run.Percentile(0.5):0} ms, p99 {run.Percentile(0.99):0} ms; MB after warm-up {before}, then {string.Join(", ", memory)}"));
            Assert.AreEqual(0, run.Errors.Count + warmUp.Errors.Count, string.Join(Environment.NewLine, warmUp.Errors.Concat(run.Errors).Take(5)));
            Assert.IsTrue(run.Count > 1000, $"{run.Count} answers");
            Assert.IsTrue(memory.Max() < before + 64, $"The process grew from {before} MB to {memory.Max()} MB.");
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
    }

    internal static async Task<Uri> Address(Process process)
    {
        const string Listening = "Now listening on: ";
        while (await process.StandardOutput.ReadLineAsync() is { } line)
            if (line.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and var at)
            {
                _ = process.StandardOutput.ReadToEndAsync(); // So that its log does not block it.
                return new Uri(line[(at + Listening.Length)..].Trim());
            }
        throw new InvalidOperationException("The service ended without listening.");
    }

    internal static long Memory(Process process)
    {
        process.Refresh();
        return process.WorkingSet64 >> 20;
    }
}
