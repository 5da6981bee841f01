using System.Net;
using System.Net.Sockets;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

[TestClass]
public sealed class HubRefusalTests : HubTest
{
    [TestMethod]
    public void AnUnknownRepositoryIsNamed()
    {
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get(repository: "owner/unknown"));
        Assert.AreEqual(HttpStatusCode.NotFound, error.StatusCode);
        StringAssert.Contains(error.Message, "'owner/unknown'");
    }

    [TestMethod]
    public void AnUnknownRevisionIsNamed()
    {
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get(revision: "v9"));
        StringAssert.Contains(error.Message, "no revision 'v9'");
    }

    [TestMethod]
    public void AMissingFileIsNamed()
    {
        Files.Remove("merges.txt");
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get());
        Assert.AreEqual(HttpStatusCode.NotFound, error.StatusCode);
        StringAssert.Contains(error.Message, "merges.txt");
    }

    [TestMethod]
    [DataRow(null, "set HubOptions.Token or HF_TOKEN")]
    [DataRow("hf_wrong", "not one that may read it")]
    public void AMissingOrWrongTokenIsExplained(string? token, string advice)
    {
        Hub.RequiredToken = "hf_secret";
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get(token: token));
        Assert.AreEqual(HttpStatusCode.Unauthorized, error.StatusCode);
        StringAssert.Contains(error.Message, advice);
        Assert.IsFalse(error.ToString().Contains("hf_wrong", StringComparison.Ordinal), "a message shows no token");
    }

    [TestMethod]
    public void AForbiddenRepositoryIsExplained()
    {
        Hub.Failures.Enqueue(HttpStatusCode.Forbidden);
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get());
        Assert.AreEqual(HttpStatusCode.Forbidden, error.StatusCode);
        StringAssert.Contains(error.Message, "forbids");
    }

    [TestMethod]
    public void APickleIsRefusedWithAdvice()
    {
        Files.Remove("model.safetensors");
        Files["pytorch_model.bin"] = [1, 2, 3];
        var error = Assert.ThrowsExactly<NotSupportedException>(() => Get());
        StringAssert.Contains(error.Message, "save_pretrained");
        Assert.AreEqual(0, Hub.Storage.Requests.Count, "the pickle is not downloaded");
    }

    [TestMethod]
    public void AnotherArchitectureIsRefusedBeforeTheWeights()
    {
        Files["config.json"] = System.Text.Encoding.UTF8.GetBytes(TinyCheckpoint.ConfigWith("model_type", "\"bert\""));
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Get());
        StringAssert.Contains(error.Message, "\"bert\"");
        Assert.AreEqual(0, Hub.Storage.Requests.Count);
    }

    [TestMethod]
    public void AServerThatIsNoHubIsRefused()
    {
        using var server = new LoopbackServer(context => LoopbackServer.Send(context, "hello"u8.ToArray()));
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Get(endpoint: server.Address));
        StringAssert.Contains(error.Message, "does not answer as a model hub does");
    }

    [TestMethod]
    public void AChecksumThatIsAPathIsRefused()
    {
        using var server = new LoopbackServer(context =>
        {
            context.Response.Headers["X-Repo-Commit"] = new string('a', 40);
            context.Response.Headers["ETag"] = "\"../../../../evil\"";
            LoopbackServer.Send(context, "hello"u8.ToArray());
        });
        Assert.ThrowsExactly<InvalidDataException>(() => Get(endpoint: server.Address));
        Assert.AreEqual(0, Directory.GetFileSystemEntries(Cache.Path).Length);
    }

    [TestMethod]
    public void EndlessRedirectsEnd()
    {
        using var server = new LoopbackServer(context => LoopbackServer.Answer(context, HttpStatusCode.Found, ("Location", context.Request.RawUrl!)));
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get(endpoint: server.Address));
        StringAssert.Contains(error.Message, "redirected more than");
    }

    [TestMethod]
    [DataRow("file:///etc/passwd", "'file://', which is not protected")]
    [DataRow("ftp://elsewhere/config.json", "'ftp://elsewhere', which is not protected")]
    [DataRow("http://[broken", "a usable target")]
    [DataRow("", "a usable target")]
    public void ARedirectToNoAddressOfTheWebIsRefusedAtOnce(string location, string told)
    {
        using var server = new LoopbackServer(context => LoopbackServer.Answer(context, HttpStatusCode.Found, ("Location", location)));
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get(endpoint: server.Address));
        StringAssert.Contains(error.Message, told);
        Assert.HasCount(1, server.Requests, "It was asked again.");
    }

    [TestMethod]
    public void AnUnreachableHubPointsAtTheOfflineMode()
    {
        // Taken, so that nobody else listens there, and not listened to.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = new Uri($"http://127.0.0.1:{((IPEndPoint)taken.LocalEndPoint!).Port}");
        var error = Assert.ThrowsExactly<HttpRequestException>(() => Get(endpoint: address));
        StringAssert.Contains(error.Message, "HF_HUB_OFFLINE=1");
        StringAssert.Contains(error.Message, address.ToString());
    }

    [TestMethod]
    public void OfflineAFullCacheIsEnough()
    {
        var online = Get();
        Hub.Requests.Clear();
        Assert.AreEqual(online, Get(offline: true));
        Assert.AreEqual(online, Get(offline: true, revision: Hub.Main));
        Assert.AreEqual(0, Hub.Requests.Count);
    }

    [TestMethod]
    public void OfflineAnEmptyCacheIsExplained()
    {
        var error = Assert.ThrowsExactly<FileNotFoundException>(() => Get(offline: true));
        foreach (var text in new[] { "Offline", "config.json", "model.safetensors", "'owner/tiny-roberta'", "'main'", Cache.Path, "HF_HUB_OFFLINE" })
            StringAssert.Contains(error.Message, text);
        Assert.AreEqual(0, Hub.Requests.Count);
    }

    [TestMethod]
    public void OfflineOneMissingFileIsNamed()
    {
        var folder = Get();
        File.Delete(Path.Combine(folder, "vocab.json"));
        var error = Assert.ThrowsExactly<FileNotFoundException>(() => Get(offline: true));
        StringAssert.Contains(error.Message, "lacks vocab.json of");
    }

    [TestMethod]
    public void OfflineAMissingShardIsNamed()
    {
        Hub.Commit('b', TinyCheckpoint.ShardedFiles(), "sharded");
        var folder = Get(revision: "sharded");
        Assert.AreEqual(folder, Get(offline: true, revision: "sharded"));
        File.Delete(Path.Combine(folder, "model-00002-of-00002.safetensors"));
        var error = Assert.ThrowsExactly<FileNotFoundException>(() => Get(offline: true, revision: "sharded"));
        StringAssert.Contains(error.Message, "lacks model-00002-of-00002.safetensors of");
    }
}
