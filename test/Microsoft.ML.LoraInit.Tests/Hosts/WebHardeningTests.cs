using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>Clients that mean no good, or are slow.</summary>
[TestClass]
[DoNotParallelize]
public class WebHardeningTests
{
    [TestMethod]
    public async Task SlowClientsKeepNobodyWaiting()
    {
        using var folder = new TemporaryFolder();
        await using var host = await Serving(folder, SlowClients.Options);
        await using var slow = await SlowClients.Start(host.Client.BaseAddress!, 50);

        for (int i = 0; i < 5; i++)
            await host.Predict("My parcel is late.").WaitAsync(SlowClients.Patience);

        Assert.IsTrue(slow.Sending > 4, $"only {slow.Sending} slow clients are still sending");
    }

    // A body of blanks that would take longer than the test waits; the server's own limit is for slower ones.
    [TestMethod]
    [DataRow(0)]
    [DataRow(SlowClients.BytesPerSecond)]
    public async Task ARequestThatDoesNotArriveInTimeIsEnded(int bytesPerSecond)
    {
        using var folder = new TemporaryFolder();
        await using var host = await Serving(folder, "--timeout", "0.5");
        using var client = new TcpClient();
        await client.ConnectAsync(host.Client.BaseAddress!.Host, host.Client.BaseAddress.Port);
        await client.GetStream().WriteAsync(Head(64 << 10));

        using var reader = new StreamReader(client.GetStream());
        var (status, blanks) = (reader.ReadLineAsync(), Enumerable.Repeat((byte)' ', bytesPerSecond / 10).ToArray());
        for (int i = 0; i < 1200 && !status.IsCompleted; i++)
        {
            await client.GetStream().WriteAsync(blanks);
            await Task.WhenAny(status, Task.Delay(100));
        }
        Assert.IsTrue(status.IsCompleted, "it goes on");
        StringAssert.Contains(await status, "408");
    }

    [TestMethod]
    public async Task ABodyOfUnknownLengthMayNotBeLongEither()
    {
        using var folder = new TemporaryFolder();
        await using var host = await Serving(folder);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/predict", UriKind.Relative))
        {
            Content = new StringContent($$"""{"text": "{{new string('x', 100 << 10)}}"}""", Encoding.UTF8, "application/json"),
            Headers = { TransferEncodingChunked = true },
        };
        using var response = await host.Client.SendAsync(request);

        Assert.AreEqual(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    [TestMethod]
    public async Task AnUnknownCharsetIsUnsupported()
    {
        using var folder = new TemporaryFolder();
        await using var host = await Serving(folder);
        using var content = new StringContent("""{"text": "x"}""");
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json; charset=bogus");
        using var response = await host.Client.PostAsync(new Uri("/predict", UriKind.Relative), content);

        Assert.AreEqual(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
    }

    [TestMethod]
    public async Task ABodyOfTenMegabytesIsAnswered()
    {
        using var folder = new TemporaryFolder();
        await using var host = await Serving(folder);
        using var content = new StringContent($$"""{"text": "{{new string('x', 10 << 20)}}"}""", Encoding.UTF8, "application/json");
        using var response = await host.Client.PostAsync(new Uri("/predict", UriKind.Relative), content);

        Assert.AreEqual(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        await host.Predict("and the service answers on");
    }

    [TestMethod]
    [DataRow("/")]
    [DataRow("/health")]
    [DataRow("/page.js")]
    [DataRow("/nothing-here")]
    public async Task NoAnswerIsToBeGuessedAt(string address)
    {
        using var folder = new TemporaryFolder();
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        using var response = await host.Client.GetAsync(new Uri(address, UriKind.Relative));

        Assert.AreEqual("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
    }

    [TestMethod]
    public async Task TheHealthHasNoPaths()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("model.mlnet"), "no model");
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        var broken = await host.WaitFor(h => h.Reason!.Contains("cannot be loaded", StringComparison.Ordinal));
        File.Delete(folder.File("model.mlnet"));
        var missing = await host.WaitFor(h => h.Reason!.Contains("There is no file", StringComparison.Ordinal));

        Assert.IsFalse($"{broken}{missing}".Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal), $"{broken}{missing}");
    }

    private static async Task<WebHost> Serving(TemporaryFolder folder, params string[] more)
    {
        SavedModel.First.MoveTo(folder.File("model.mlnet"));
        var host = await WebHost.Start(folder.File("model.mlnet"), more);
        await host.WaitFor(h => h.Status == "Healthy");
        return host;
    }

    internal static byte[] Head(int length) =>
        Encoding.ASCII.GetBytes($"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
}
