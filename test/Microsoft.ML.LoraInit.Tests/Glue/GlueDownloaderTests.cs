using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Glue.Download;
using Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public sealed class GlueDownloaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _zip = Zip(("RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tentailment\n"), ("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tC\tD\tnot_entailment\n"), ("RTE/../../evil.tsv", "x"));

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public async Task ArchivesAreCheckedAndLaidOutForLoading()
    {
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, _zip));
        var folder = await Downloader(server, Hash(_zip)).DownloadAsync(GlueTask.Rte, _folder.Path);
        CollectionAssert.AreEquivalent(new[] { "train.tsv", "dev.tsv" }, Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).ToArray());
        Assert.AreEqual(1, GlueTask.Rte.Load(new MLContext(), _folder.Path).ValidationRows);
        Assert.AreEqual(1, server.Requests.Count);
        await Downloader(server, Hash(_zip)).DownloadAsync(GlueTask.Rte, _folder.Path);
        Assert.AreEqual(1, server.Requests.Count, "what is there is not asked for again");
    }

    [TestMethod]
    public async Task ABrokenConnectionIsResumed()
    {
        var requests = 0;
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, _zip, cutAfter: ++requests == 1 ? 100 : null));
        await Downloader(server, Hash(_zip)).DownloadAsync(GlueTask.Rte, _folder.Path);
        CollectionAssert.AreEqual(new[] { null, "bytes=100-" }, server.Requests.Select(r => r.Range).ToArray());
    }

    [TestMethod]
    public async Task AServerWithoutRangesStartsOver()
    {
        var requests = 0;
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, _zip, cutAfter: ++requests == 1 ? 100 : null, ranges: false));
        await Downloader(server, Hash(_zip)).DownloadAsync(GlueTask.Rte, _folder.Path);
        Assert.AreEqual(2, server.Requests.Count);
    }

    [TestMethod]
    public async Task AWrongChecksumIsRefusedAndNothingStays()
    {
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, _zip));
        var error = await Assert.ThrowsExactlyAsync<InvalidDataException>(() => Downloader(server, new string('0', 64)).DownloadAsync(GlueTask.Rte, _folder.Path));
        StringAssert.Contains(error.Message, Hash(_zip));
        Assert.AreEqual(0, Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Length);
    }

    [TestMethod]
    public async Task WithoutAKnownChecksumTheFirstOneCounts()
    {
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, _zip));
        await Downloader(server, null).DownloadAsync(GlueTask.Rte, _folder.Path);
        var archive = _folder.File(Path.Combine("archives", "RTE.zip"));
        Assert.AreEqual(Hash(_zip), File.ReadAllText(archive + ".sha256").Trim());
        Directory.Delete(_folder.File("RTE"), recursive: true);
        File.AppendAllText(archive, "x");
        await Assert.ThrowsExactlyAsync<InvalidDataException>(() => Downloader(server, null).DownloadAsync(GlueTask.Rte, _folder.Path));
    }

    [TestMethod]
    public async Task OfflineUsesWhatIsThereAndAsksNobody()
    {
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, _zip));
        var error = await Assert.ThrowsExactlyAsync<GlueDataException>(() => Downloader(server, Hash(_zip), offline: true).DownloadAsync(GlueTask.Rte, _folder.Path));
        StringAssert.Contains(error.Message, "https://example.org/RTE.zip");
        Directory.CreateDirectory(_folder.File("archives"));
        File.WriteAllBytes(_folder.File(Path.Combine("archives", "RTE.zip")), _zip);
        await Downloader(server, Hash(_zip), offline: true).DownloadAsync(GlueTask.Rte, _folder.Path);
        Assert.AreEqual(0, server.Requests.Count);
    }

    [TestMethod]
    public async Task RefusalsAreNotTriedAgainAndServerErrorsAre()
    {
        using var gone = new LoopbackServer();
        var error = await Assert.ThrowsExactlyAsync<HttpRequestException>(() => Downloader(gone, null).DownloadAsync(GlueTask.Rte, _folder.Path));
        Assert.AreEqual(HttpStatusCode.NotFound, error.StatusCode);
        Assert.AreEqual(1, gone.Requests.Count);

        var requests = 0;
        using var busy = new LoopbackServer(c =>
        {
            if (++requests < 3)
                LoopbackServer.Answer(c, HttpStatusCode.ServiceUnavailable);
            else
                LoopbackServer.Send(c, _zip);
        });
        await Downloader(busy, Hash(_zip)).DownloadAsync(GlueTask.Rte, _folder.Path);
        Assert.AreEqual(3, busy.Requests.Count);
    }

    [TestMethod]
    public async Task AnArchiveWithoutTheFileIsRefused()
    {
        var zip = Zip(("RTE/train.tsv", "x"));
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, zip));
        var error = await Assert.ThrowsExactlyAsync<GlueDataException>(() => Downloader(server, null).DownloadAsync(GlueTask.Rte, _folder.Path));
        StringAssert.Contains(error.Message, "dev.tsv");
    }

    [TestMethod]
    public async Task MrpcIsSplitByItsListOfPairs()
    {
        const string Pairs = "\uFEFFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t10\t11\tA \"a\tB\r\n0\t20\t21\tC\tD\r\n";
        using var server = new LoopbackServer(c => LoopbackServer.Send(c, Encoding.UTF8.GetBytes(c.Request.RawUrl!.EndsWith("ids.tsv", StringComparison.Ordinal) ? "20\t21\n" : Pairs)));
        var downloader = new GlueDownloader(new(), uri => new Uri(server.Address, uri.AbsolutePath), task => [.. GlueArchives.For(task).Select(a => a with { Sha256 = null })]);
        await downloader.DownloadAsync(GlueTask.Mrpc, _folder.Path);
        var data = GlueTask.Mrpc.Load(new MLContext(), _folder.Path);
        CollectionAssert.AreEqual(new[] { "A \"a" }, Microsoft.ML.Data.ColumnCursorExtensions.GetColumn<string>(data.Train, "Text").ToArray());
        CollectionAssert.AreEqual(new[] { "C" }, Microsoft.ML.Data.ColumnCursorExtensions.GetColumn<string>(data.Validation, "Text").ToArray());
    }

    [TestMethod]
    public void EveryTaskHasItsOfficialArchive()
    {
        foreach (var archive in GlueTask.All.SelectMany(GlueArchives.For))
        {
            Assert.AreEqual("https", archive.Uri.Scheme);
            Assert.IsTrue(archive.Sha256 is null || archive.Sha256.Length == 64 && archive.Sha256.All(char.IsAsciiHexDigitLower), archive.FileName);
        }
    }

    private static GlueDownloader Downloader(LoopbackServer server, string? sha256, bool offline = false) => new(
        new() { Offline = offline, RetryDelay = TimeSpan.FromMilliseconds(1) },
        uri => new Uri(server.Address, uri.AbsolutePath),
        _ => [new GlueArchive(new Uri("https://example.org/RTE.zip"), sha256)]);

    private static string Hash(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static byte[] Zip(params (string Name, string Text)[] files)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create))
        {
            foreach (var (name, text) in files)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }
        }
        return stream.ToArray();
    }
}
