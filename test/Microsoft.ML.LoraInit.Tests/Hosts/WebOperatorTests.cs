using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Samples.Web.Endpoints;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>What the web sample offers beside predictions: several models, explanations, its description, metrics and limits.</summary>
[TestClass]
[DoNotParallelize]
public class WebOperatorTests
{
    private static readonly string Text = SavedModel.Texts[0];

    [TestMethod]
    public async Task EachModelAnswersByItsName()
    {
        using var folder = new TemporaryFolder();
        await using var host = await TwoModels(folder);
        Assert.IsTrue(SavedModel.First.Says(Text, await Predict(host, "/models/first/predict")));
        Assert.IsTrue(SavedModel.Second.Says(Text, await Predict(host, "/models/second/predict")));
        Assert.IsTrue(SavedModel.First.Says(Text, await Predict(host, "/predict")), "the first unless named");
        using var unknown = await host.Client.PostAsJsonAsync("/models/third/predict", new { text = Text });
        Assert.AreEqual((HttpStatusCode.NotFound, "application/problem+json"), (unknown.StatusCode, unknown.Content.Headers.ContentType!.MediaType));
        var models = (await host.Client.GetFromJsonAsync<HealthEndpoint.Model[]>("/models"))!;
        CollectionAssert.AreEqual((string[])["first", "second"], models.Select(m => m.Name).ToArray());
    }

    [TestMethod]
    public async Task WordsAreExplainedWhereTheyStand()
    {
        using var folder = new TemporaryFolder();
        await using var host = await TwoModels(folder);
        using var response = await host.Client.PostAsJsonAsync("/models/first/explain", new { text = Text });
        var explanation = (await response.Content.ReadFromJsonAsync<PredictEndpoint.Explanation>())!;

        Assert.AreEqual("IntegratedGradients", explanation.Method);
        Assert.AreEqual((await Predict(host, "/models/first/predict")).Label, explanation.Label);
        Assert.IsTrue(explanation.Words.All(w => Text.Substring(w.Start, w.Length) == w.Text));
        Assert.IsTrue(explanation.Words.Any(w => w.Attribution > 0));
    }

    [TestMethod]
    public async Task TheDocumentDescribesEveryAddress()
    {
        using var folder = new TemporaryFolder();
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        var document = JsonNode.Parse(await host.Client.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative)))!;

        var paths = document["paths"]!.AsObject();
        foreach (var path in (string[])["/predict", "/models", "/models/{name}/predict", "/models/{name}/explain"])
            Assert.IsTrue(paths.ContainsKey(path), path);
        var answers = paths["/predict"]!["post"]!["responses"]!.AsObject();
        foreach (var status in (string[])["200", "400", "413", "429", "503"])
            Assert.IsTrue(answers.ContainsKey(status), status);
    }

    [TestMethod]
    public async Task MetricsCountWhatWasAsked()
    {
        using var folder = new TemporaryFolder();
        await using var host = await TwoModels(folder);
        await Predict(host, "/models/second/predict");
        string[] names = ["loratext_requests_total{", "loratext_request_duration_seconds_bucket{", "loratext_reloads_total{", "http_server_request_duration_seconds_count{", "lorainit_batch_size_bucket{", "model=\"second\""];
        string metrics = "";
        for (var end = DateTime.UtcNow.AddMinutes(2); DateTime.UtcNow < end && !names.All(n => metrics.Contains(n, StringComparison.Ordinal));)
        {
            await Task.Delay(100); // What is scraped is kept for 300 ms.
            metrics = await host.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        }
        foreach (var name in names)
            StringAssert.Contains(metrics, name);
    }

    [TestMethod]
    public async Task WhoAsksTooOftenIsToldToWaitAndTheHealthIsNotCounted()
    {
        using var folder = new TemporaryFolder();
        SavedModel.First.MoveTo(folder.File("model.mlnet"));
        await using var host = await WebHost.Start(folder.File("model.mlnet"), "--rate", "3");
        await host.WaitFor(h => h.Status == "Healthy");
        // On a slow machine thirty may take so long that none is too many: then once more.
        var responses = new List<HttpResponseMessage>();
        for (int round = 0; round < 20 && !(Any(HttpStatusCode.TooManyRequests) && Any(HttpStatusCode.OK)); round++)
            responses.AddRange(await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => host.Client.PostAsJsonAsync("/predict", new { text = Text }))));

        var refused = responses.Where(r => r.StatusCode == HttpStatusCode.TooManyRequests).ToArray();
        Assert.IsTrue(refused.Length > 0 && Any(HttpStatusCode.OK), string.Join(' ', responses.Select(r => (int)r.StatusCode)));
        Assert.AreEqual(TimeSpan.FromSeconds(1), refused[0].Headers.RetryAfter!.Delta);
        Assert.AreEqual("application/problem+json", refused[0].Content.Headers.ContentType!.MediaType);
        Assert.AreEqual("Healthy", (await host.Health()).Status);

        bool Any(HttpStatusCode status) => responses.Any(r => r.StatusCode == status);
    }

    [TestMethod]
    public async Task AProcessWithoutAModelIsAliveAndNotReady()
    {
        using var folder = new TemporaryFolder();
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        using var live = await host.Client.GetAsync(new Uri("/health/live", UriKind.Relative));
        using var ready = await host.Client.GetAsync(new Uri("/health", UriKind.Relative));
        Assert.AreEqual((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (live.StatusCode, ready.StatusCode));
    }

    [TestMethod]
    public async Task ABusyPortIsOneLine()
    {
        using var folder = new TemporaryFolder();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}";
        using var process = Process.Start(new ProcessStartInfo("dotnet",
            ["exec", Path.Combine(AppContext.BaseDirectory, "lorainit-web.dll"), "--model", folder.File("model.mlnet"), "--urls", address])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();

        Assert.AreEqual(2, process.ExitCode, await error);
        Assert.AreEqual(1, (await error).Trim().Split('\n').Length, await error);
        StringAssert.Contains(await error, address);
        Assert.IsFalse((await output).Contains("   at ", StringComparison.Ordinal), await output);
    }

    private static async Task<WebHost> TwoModels(TemporaryFolder folder)
    {
        SavedModel.First.MoveTo(folder.File("a.mlnet"));
        SavedModel.Second.MoveTo(folder.File("b.mlnet"));
        var host = await WebHost.StartWith("--models:first", folder.File("a.mlnet"), "--models:second", folder.File("b.mlnet"));
        await host.WaitFor(h => h.Status == "Healthy");
        return host;
    }

    private static async Task<PredictEndpoint.Prediction> Predict(WebHost host, string address)
    {
        using var response = await host.Client.PostAsJsonAsync(address, new { text = Text });
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<PredictEndpoint.Prediction>())!;
    }
}
