using System.Net;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Checkpoints.Hub;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

[TestClass]
public sealed class HubDownloadTests
{
    private const string Weights = "model.safetensors";
    private readonly TemporaryFolder _cache = new();
    private readonly Dictionary<string, byte[]> _files = TinyCheckpoint.Files();
    private FakeHub _hub = null!;

    [TestInitialize]
    public void Start() => _hub = new FakeHub(_files);

    [TestCleanup]
    public void Stop()
    {
        _hub.Storage.Dispose();
        _hub.Dispose();
        _cache.Dispose();
    }

    [TestMethod]
    public void AFreshDownloadOpensAndItsIdentityIsTheWeightsHash()
    {
        var reports = new Reports();
        var checkpoint = RobertaCheckpoint.FromHub(FakeHub.Repository, new HubOptions { Endpoint = _hub.Address, CacheDirectory = _cache.Path, Offline = false });

        using var files = checkpoint.Open(reports, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);

        Assert.AreEqual(FakeHub.Repository, files.Identity.Id);
        Assert.AreEqual(FakeHub.Etag(Weights, _files[Weights]), files.Identity.Sha256);
        Assert.AreEqual(21, weights.Tensors.Count);
        var last = reports.Seen.Last(r => r.Message!.Contains("Downloading model.safetensors", StringComparison.Ordinal));
        Assert.AreEqual(TrainingPhase.LoadingModel, last.Phase);
        Assert.AreEqual(_files[Weights].Length, last.Step);
        Assert.AreEqual(_files[Weights].Length, last.TotalSteps);
    }

    [TestMethod]
    public void TheCacheHasTheLayoutOfPython()
    {
        Get();

        var root = Path.Combine(_cache.Path, "models--owner--tiny-roberta");
        Assert.AreEqual(_hub.Main, File.ReadAllText(Path.Combine(root, "refs", "main")));
        CollectionAssert.AreEquivalent(
            _files.Select(f => FakeHub.Etag(f.Key, f.Value)).ToArray(),
            Directory.GetFiles(Path.Combine(root, "blobs")).Select(Path.GetFileName).ToArray());
        foreach (var (name, content) in _files)
        {
            var link = new FileInfo(Path.Combine(root, "snapshots", _hub.Main, name));
            CollectionAssert.AreEqual(content, File.ReadAllBytes(link.FullName), name);
            if (!OperatingSystem.IsWindows())
                Assert.AreEqual($"../../blobs/{FakeHub.Etag(name, content)}", link.LinkTarget);
        }
    }

    [TestMethod]
    public void TheSecondTimeNothingIsDownloaded()
    {
        Get();
        _hub.Requests.Clear();
        _hub.Storage.Requests.Clear();

        Get();

        Assert.IsTrue(_hub.Requests.All(r => r.Method == "HEAD"), "only the commit is asked for");
        Assert.AreEqual(1, _hub.Requests.Count);
        Assert.AreEqual(0, _hub.Storage.Requests.Count);
    }

    [TestMethod]
    public void ACompleteCommitNeedsNoRequest()
    {
        Get(revision: _hub.Main);
        _hub.Requests.Clear();
        Get(revision: _hub.Main);
        Assert.AreEqual(0, _hub.Requests.Count);
        Assert.IsFalse(Directory.Exists(Path.Combine(_cache.Path, "models--owner--tiny-roberta", "refs")), "a commit is no ref");
    }

    [TestMethod]
    public void ACutConnectionIsResumedWhereItBroke()
    {
        _hub.Cuts.Enqueue(1000);
        _hub.Cuts.Enqueue(500);

        var folder = Get();

        CollectionAssert.AreEqual(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        CollectionAssert.AreEqual(new string?[] { null, "bytes=1000-", "bytes=1500-" }, _hub.Storage.Requests.Select(r => r.Range).ToArray());
    }

    [TestMethod]
    public void AServerWithoutRangesIsReadFromTheStart()
    {
        _hub.Ranges = false;
        _hub.Cuts.Enqueue(1000);
        var folder = Get();
        CollectionAssert.AreEqual(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [TestMethod]
    public void CancellationLeavesAPartThatTheNextCallResumes()
    {
        using var cancel = new CancellationTokenSource();
        var part = Path.Combine(_cache.Path, "models--owner--tiny-roberta", "blobs", FakeHub.Etag(Weights, _files[Weights]) + ".incomplete");
        _hub.Cuts.Enqueue(1000);
        var reports = new Reports(r =>
        {
            if (r.Message!.Contains(Weights, StringComparison.Ordinal))
                cancel.Cancel();
        });

        Assert.Throws<OperationCanceledException>(() => Get(progress: reports, cancellationToken: cancel.Token));
        Assert.AreEqual(1000, new FileInfo(part).Length);

        _hub.Storage.Requests.Clear();
        var folder = Get();
        CollectionAssert.AreEqual(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.AreEqual("bytes=1000-", _hub.Storage.Requests.Single().Range);
        Assert.IsFalse(File.Exists(part));
    }

    [TestMethod]
    public void AWrongHashIsRefusedAndThePartDeleted()
    {
        _hub.Spoil = content => [.. content[..^1], (byte)(content[^1] ^ 1)];

        var error = Assert.ThrowsExactly<InvalidDataException>(() => Get());

        StringAssert.Contains(error.Message, "SHA-256");
        StringAssert.Contains(error.Message, FakeHub.Etag(Weights, _files[Weights]));
        StringAssert.Contains(error.Message, Weights);
        var root = Path.Combine(_cache.Path, "models--owner--tiny-roberta");
        Assert.AreEqual(3, Directory.GetFiles(Path.Combine(root, "blobs")).Length, "the three small files only");
        Assert.IsFalse(File.Exists(Path.Combine(root, "snapshots", _hub.Main, Weights)));

        _hub.Spoil = content => content;
        Get();
    }

    [TestMethod]
    public void ADamagedPartIsFoundOutAtTheEnd()
    {
        var blobs = Directory.CreateDirectory(Path.Combine(_cache.Path, "models--owner--tiny-roberta", "blobs"));
        var part = Path.Combine(blobs.FullName, FakeHub.Etag(Weights, _files[Weights]) + ".incomplete");
        File.WriteAllBytes(part, new byte[100]);
        Assert.ThrowsExactly<InvalidDataException>(() => Get());
        Assert.IsFalse(File.Exists(part));
        Get();
    }

    [TestMethod]
    public void MoreBytesThanPromisedAreRefused()
    {
        _hub.Spoil = content => [.. content, 0];
        Assert.ThrowsExactly<InvalidDataException>(() => Get());
    }

    [TestMethod]
    public void ShardsAreDownloaded()
    {
        var sharded = TinyCheckpoint.ShardedFiles();
        _hub.Commit('b', sharded, "sharded");
        var folder = Get(revision: "sharded");
        foreach (var (name, content) in sharded)
            CollectionAssert.AreEqual(content, File.ReadAllBytes(Path.Combine(folder, name)), name);
        using var files = CheckpointDirectory.Open(folder, "sharded", null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        Assert.AreEqual(21, weights.Tensors.Count);
    }

    [TestMethod]
    public void ARevisionIsThatCommit()
    {
        var other = TinyCheckpoint.Files(seed: 7);
        var commit = _hub.Commit('b', other, "refs/pr/1");
        Get();
        var folder = Get(revision: "refs/pr/1");
        Assert.AreEqual(commit, Path.GetFileName(folder));
        CollectionAssert.AreEqual(other[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.AreEqual(commit, File.ReadAllText(Path.Combine(_cache.Path, "models--owner--tiny-roberta", "refs", "refs", "pr", "1")));
    }

    [TestMethod]
    public void AMovedBranchIsFollowed()
    {
        Get();
        var other = TinyCheckpoint.Files(seed: 7);
        var commit = _hub.Commit('b', other, "main");
        Assert.AreEqual(commit, Path.GetFileName(Get()));
        Assert.AreEqual(commit, Path.GetFileName(Get(offline: true)));
    }

    [TestMethod]
    public void ARenamedRepositoryIsFollowed()
    {
        _hub.FormerName = "tiny-roberta";
        var folder = Get(repository: "tiny-roberta");
        Assert.IsTrue(File.Exists(Path.Combine(folder, Weights)));
        StringAssert.Contains(folder, "models--tiny-roberta");
    }

    [TestMethod]
    public void TheTokenGoesToTheHubAndNotToItsStorage()
    {
        _hub.RequiredToken = "hf_secret";
        Get(token: "hf_secret");
        Assert.IsTrue(_hub.Requests.All(r => r.Authorization == "Bearer hf_secret"));
        Assert.IsTrue(!_hub.Storage.Requests.IsEmpty && _hub.Storage.Requests.All(r => r.Authorization is null));
    }

    [TestMethod]
    public void APassingFailureOfTheServerIsTriedAgain()
    {
        _hub.Failures.Enqueue(HttpStatusCode.ServiceUnavailable);
        _hub.Failures.Enqueue(HttpStatusCode.TooManyRequests);
        Get();
    }

    [TestMethod]
    public void TwoAtOnceDownloadOnce()
    {
        Parallel.Invoke(() => Get(), () => Get());
        Assert.AreEqual(1, _hub.Storage.Requests.Count(r => r.Method == "GET"));
    }

    private string Get(string repository = FakeHub.Repository, string revision = "main", string? token = null, bool offline = false,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var options = new HubOptions { Endpoint = _hub.Address, CacheDirectory = _cache.Path, Revision = revision, Token = token, Offline = offline };
        var settings = HubSettings.Resolve(options, _ => null);
        return new HubSnapshot(settings, repository, progress, TimeSpan.FromMilliseconds(1)).GetAsync(cancellationToken).GetAwaiter().GetResult();
    }

    private sealed class Reports(Action<TrainingProgress>? then = null) : IProgress<TrainingProgress>
    {
        public List<TrainingProgress> Seen { get; } = [];

        public void Report(TrainingProgress value)
        {
            Seen.Add(value);
            then?.Invoke(value);
        }
    }
}
