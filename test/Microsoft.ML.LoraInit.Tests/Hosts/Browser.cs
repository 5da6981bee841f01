using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>A headless Chromium, spoken to by the DevTools protocol (chromedevtools.github.io/devtools-protocol).</summary>
internal sealed class Browser : IAsyncDisposable
{
    private readonly Process _process;
    private readonly TemporaryFolder _profile;
    private readonly ClientWebSocket _socket = new();
    private int _id;

    private Browser(Process process, TemporaryFolder profile) => (_process, _profile) = (process, profile);

    /// <summary>The program, or null where there is none.</summary>
    public static string? Program { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .SelectMany(folder => (string[])[Path.Combine(folder, "chromium"), Path.Combine(folder, "chromium-browser"), Path.Combine(folder, "google-chrome")])
            .FirstOrDefault(File.Exists);

    public static async Task<Browser> Open(Uri page, int width, int height)
    {
        var profile = new TemporaryFolder();
        var process = Process.Start(new ProcessStartInfo(Program!,
            ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0", $"--user-data-dir={profile.Path}", "about:blank"])
        {
            RedirectStandardError = true,
        })!;
        var browser = new Browser(process, profile);
        await browser.Connect();
        await browser.Call("Emulation.setDeviceMetricsOverride", new() { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = width < 600 });
        await browser.Call("Page.navigate", new() { ["url"] = page.ToString() });
        await browser.WaitFor("document.readyState === 'complete' && location.protocol === 'http:'");
        return browser;
    }

    /// <summary>The value of an expression in the page.</summary>
    public async Task<JsonNode?> Evaluate(string expression)
    {
        var answer = await Call("Runtime.evaluate", new() { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true });
        return answer["exceptionDetails"] is { } error ? throw new InvalidOperationException($"{expression}: {error.ToJsonString()}") : answer["result"]!["value"];
    }

    public async Task WaitFor(string condition)
    {
        for (var watch = Stopwatch.StartNew(); (bool?)await Evaluate($"!!({condition})") != true; await Task.Delay(50))
            Assert.IsTrue(watch.Elapsed < TimeSpan.FromSeconds(60), $"It was waited in vain for: {condition}. The page says: {await Evaluate("document.body.innerText")}");
    }

    public async Task Screenshot(string path)
    {
        var picture = await Call("Page.captureScreenshot", new() { ["format"] = "png", ["captureBeyondViewport"] = true });
        await File.WriteAllBytesAsync(path, Convert.FromBase64String((string)picture["data"]!));
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        for (int i = 0; ; i++)
        {
            try
            {
                _profile.Dispose();
                return;
            }
            catch (IOException) when (i < 20)
            {
                await Task.Delay(100); // A part of the browser still writes there.
            }
        }
    }

    private async Task Connect()
    {
        const string Listening = "DevTools listening on ";
        string? line;
        do
            line = await _process.StandardError.ReadLineAsync();
        while (line is not null && !line.StartsWith(Listening, StringComparison.Ordinal));
        Assert.IsNotNull(line, "The browser ended without listening.");
        _ = _process.StandardError.ReadToEndAsync(); // So that its log does not block it.
        var port = new Uri(line[Listening.Length..]).Port;
        using var client = new HttpClient();
        var pages = JsonNode.Parse(await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/json/list")))!.AsArray();
        await _socket.ConnectAsync(new Uri((string)pages.First(p => (string?)p!["type"] == "page")!["webSocketDebuggerUrl"]!), CancellationToken.None);
    }

    private async Task<JsonNode> Call(string method, JsonObject parameters)
    {
        int id = ++_id;
        var request = JsonSerializer.SerializeToUtf8Bytes(new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters });
        await _socket.SendAsync(request, WebSocketMessageType.Text, true, CancellationToken.None);
        while (true)
        {
            var message = await Receive();
            if ((int?)message["id"] != id)
                continue; // An event.
            return message["error"] is { } error ? throw new InvalidOperationException($"{method}: {error.ToJsonString()}") : message["result"]!;
        }
    }

    private async Task<JsonNode> Receive()
    {
        var buffer = new byte[1 << 16];
        using var all = new MemoryStream();
        WebSocketReceiveResult part;
        do
        {
            part = await _socket.ReceiveAsync(buffer, CancellationToken.None);
            all.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(Encoding.UTF8.GetString(all.ToArray()))!;
    }
}
