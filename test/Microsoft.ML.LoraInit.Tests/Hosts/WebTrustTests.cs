using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.LoraInit.Tests.Hosting;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>A service whose file is treated badly while slow clients hold their connections.</summary>
[TestClass]
[DoNotParallelize]
public class WebTrustTests
{
    [TestMethod]
    public async Task FileEventsAndFiftySlowClientsLeaveTheOthersAnsweredWithinASecond()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        _ = (SavedModel.Second, FileEvents.NotFinite);
        SavedModel.First.MoveTo(path);
        await using var host = await WebHost.Start(path, "--concurrency", "4");
        await host.WaitFor(h => h.Status == "Healthy");
        using var stop = new CancellationTokenSource();
        var slow = Enumerable.Range(0, 50).Select(_ => WebHardeningTests.SendSlowly(host.Client.BaseAddress!, stop.Token)).ToArray();
        var (times, wrong) = (new ConcurrentBag<TimeSpan>(), new ConcurrentQueue<string>());
        var asking = Task.Run(() => Ask(host, times, wrong, stop.Token));

        foreach (var change in FileEvents.All)
        {
            change.Apply(path);
            var next = change.Serves?.Invoke();
            await host.WaitFor(h => next is null ? h.Status == "Degraded" : h.Status == "Healthy" && h.Model!.Version == next.Sha256[..12]);
        }
        bool held = slow.All(s => !s.IsCompleted);
        await stop.CancelAsync();
        await Task.WhenAll([asking, .. slow]);

        Assert.IsTrue(held, "the slow clients were still sending");
        Assert.AreEqual(0, wrong.Count, string.Join(Environment.NewLine, wrong.Take(3)));
        var sorted = times.Order().ToArray();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sorted.Length} answers, p50 {sorted[sorted.Length / 2].TotalMilliseconds:0} ms, the longest {sorted[^1].TotalMilliseconds:0} ms"));
        Assert.IsTrue(sorted[sorted.Length * 9 / 10] < TimeSpan.FromSeconds(1), $"{sorted[sorted.Length * 9 / 10]}");
    }

    private static async Task Ask(WebHost host, ConcurrentBag<TimeSpan> times, ConcurrentQueue<string> wrong, CancellationToken stop)
    {
        for (int i = 0; !stop.IsCancellationRequested; i = (i + 1) % SavedModel.Texts.Count)
        {
            var watch = Stopwatch.StartNew();
            try
            {
                var prediction = await host.Predict(SavedModel.Texts[i]);
                if (!SavedModel.First.Says(SavedModel.Texts[i], prediction) && !SavedModel.Second.Says(SavedModel.Texts[i], prediction))
                    wrong.Enqueue($"Neither model says so of '{SavedModel.Texts[i]}'.");
            }
            catch (HttpRequestException e)
            {
                wrong.Enqueue(e.Message);
            }
            times.Add(watch.Elapsed);
        }
    }
}
