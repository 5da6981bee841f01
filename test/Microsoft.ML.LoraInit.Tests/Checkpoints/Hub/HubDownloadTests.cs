using System.Net;
using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

[TestClass]
public sealed class HubDownloadTests : HubTest
{
    private const string Weights = "model.safetensors";

    [TestMethod]
    public void AFreshDownloadOpensAndItsIdentityIsTheWeightsHash()
    {
        var reports = new Reports();
        Hub.Commit('b', Files, "v1.0");
        var checkpoint = RobertaCheckpoint.FromHub(FakeHub.Repository, new HubOptions { Revision = "v1.0", Endpoint = Hub.Address, CacheDirectory = Cache.Path, Offline = false });

        using var files = checkpoint.Open(reports, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);

        Assert.AreEqual(FakeHub.Repository + "@v1.0", files.Identity.Id);
        Assert.AreEqual(FakeHub.Etag(Weights, Files[Weights]), files.Identity.Sha256);
        Assert.AreEqual(21, weights.Tensors.Count);
        var last = reports.Seen.Last(r => r.Message!.Contains("Downloading model.safetensors", StringComparison.Ordinal));
        Assert.AreEqual(TrainingPhase.LoadingModel, last.Phase);
        Assert.AreEqual(Files[Weights].Length, last.Step);
        Assert.AreEqual(Files[Weights].Length, last.TotalSteps);
    }

    [TestMethod]
    public void TheCacheHasTheLayoutOfPython()
    {
        Get();

        var root = CachedRepository;
        Assert.AreEqual(Hub.Main, File.ReadAllText(Path.Combine(root, "refs", "main")));
        CollectionAssert.AreEquivalent(
            Files.Select(f => FakeHub.Etag(f.Key, f.Value)).ToArray(),
            Directory.GetFiles(Path.Combine(root, "blobs")).Select(Path.GetFileName).ToArray());
        foreach (var (name, content) in Files)
        {
            var link = new FileInfo(Path.Combine(root, "snapshots", Hub.Main, name));
            CollectionAssert.AreEqual(content, File.ReadAllBytes(link.FullName), name);
            if (!OperatingSystem.IsWindows())
                Assert.AreEqual($"../../blobs/{FakeHub.Etag(name, content)}", link.LinkTarget);
        }
    }

    [TestMethod]
    public void TheSecondTimeNothingIsDownloaded()
    {
        Get();
        Hub.Requests.Clear();
        Hub.Storage.Requests.Clear();

        Get();

        Assert.IsTrue(Hub.Requests.All(r => r.Method == "HEAD"), "only the commit is asked for");
        Assert.AreEqual(1, Hub.Requests.Count);
        Assert.AreEqual(0, Hub.Storage.Requests.Count);
    }

    [TestMethod]
    public void ACompleteCommitNeedsNoRequest()
    {
        Get(revision: Hub.Main);
        Hub.Requests.Clear();
        Get(revision: Hub.Main);
        Assert.AreEqual(0, Hub.Requests.Count);
        Assert.IsFalse(Directory.Exists(Path.Combine(CachedRepository, "refs")), "a commit is no ref");
    }

    [TestMethod]
    public void ACutConnectionIsResumedWhereItBroke()
    {
        Hub.Cuts.Enqueue(1000);
        Hub.Cuts.Enqueue(500);

        var folder = Get();

        CollectionAssert.AreEqual(Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        CollectionAssert.AreEqual(new string?[] { null, "bytes=1000-", "bytes=1500-" }, Hub.Storage.Requests.Select(r => r.Range).ToArray());
    }

    [TestMethod]
    public void AServerWithoutRangesIsReadFromTheStart()
    {
        Hub.Ranges = false;
        Hub.Cuts.Enqueue(1000);
        var folder = Get();
        CollectionAssert.AreEqual(Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [TestMethod]
    public void CancellationLeavesAPartThatTheNextCallResumes()
    {
        using var cancel = new CancellationTokenSource();
        var part = Path.Combine(CachedRepository, "blobs", FakeHub.Etag(Weights, Files[Weights]) + ".incomplete");
        Hub.Cuts.Enqueue(1000);
        var reports = new Reports(r =>
        {
            if (r.Message!.Contains(Weights, StringComparison.Ordinal))
                cancel.Cancel();
        });

        Assert.Throws<OperationCanceledException>(() => Get(progress: reports, cancellationToken: cancel.Token));
        long length = new FileInfo(part).Length; // A part of the 1000 bytes, if they came in parts.
        Assert.IsTrue(length is > 0 and <= 1000, $"{length} bytes");

        Hub.Storage.Requests.Clear();
        var folder = Get();
        CollectionAssert.AreEqual(Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.AreEqual($"bytes={length}-", Hub.Storage.Requests.Single().Range);
        Assert.IsFalse(File.Exists(part));
    }

    [TestMethod]
    public void AWrongHashIsRefusedAndThePartDeleted()
    {
        Hub.Spoil = content => [.. content[..^1], (byte)(content[^1] ^ 1)];

        var error = Assert.ThrowsExactly<InvalidDataException>(() => Get());

        StringAssert.Contains(error.Message, "SHA-256");
        StringAssert.Contains(error.Message, FakeHub.Etag(Weights, Files[Weights]));
        StringAssert.Contains(error.Message, Weights);
        var root = CachedRepository;
        Assert.AreEqual(3, Directory.GetFiles(Path.Combine(root, "blobs")).Length, "the three small files only");
        Assert.IsFalse(File.Exists(Path.Combine(root, "snapshots", Hub.Main, Weights)));

        Hub.Spoil = content => content;
        Get();
    }

    [TestMethod]
    public void ADamagedPartIsFoundOutAtTheEnd()
    {
        var blobs = Directory.CreateDirectory(Path.Combine(CachedRepository, "blobs"));
        var part = Path.Combine(blobs.FullName, FakeHub.Etag(Weights, Files[Weights]) + ".incomplete");
        File.WriteAllBytes(part, new byte[100]);
        Assert.ThrowsExactly<InvalidDataException>(() => Get());
        Assert.IsFalse(File.Exists(part));
        Get();
    }

    [TestMethod]
    public void MoreBytesThanPromisedAreRefused()
    {
        Hub.Spoil = content => [.. content, 0];
        Assert.ThrowsExactly<InvalidDataException>(() => Get());
    }

    [TestMethod]
    public void ShardsAreDownloaded()
    {
        var sharded = TinyCheckpoint.ShardedFiles();
        Hub.Commit('b', sharded, "sharded");
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
        var commit = Hub.Commit('b', other, "refs/pr/1");
        Get();
        var folder = Get(revision: "refs/pr/1");
        Assert.AreEqual(commit, Path.GetFileName(folder));
        CollectionAssert.AreEqual(other[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.AreEqual(commit, File.ReadAllText(Path.Combine(CachedRepository, "refs", "refs", "pr", "1")));
    }

    [TestMethod]
    public void AMovedBranchIsFollowed()
    {
        Get();
        var other = TinyCheckpoint.Files(seed: 7);
        var commit = Hub.Commit('b', other, "main");
        Assert.AreEqual(commit, Path.GetFileName(Get()));
        Assert.AreEqual(commit, Path.GetFileName(Get(offline: true)));
    }

    [TestMethod]
    public void ARenamedRepositoryIsFollowed()
    {
        Hub.FormerName = "tiny-roberta";
        var folder = Get(repository: "tiny-roberta");
        Assert.IsTrue(File.Exists(Path.Combine(folder, Weights)));
        StringAssert.Contains(folder, "models--tiny-roberta");
    }

    [TestMethod]
    public void TheTokenGoesToTheHubAndNotToItsStorage()
    {
        Hub.RequiredToken = "hf_secret";
        Get(token: "hf_secret");
        Assert.IsTrue(Hub.Requests.All(r => r.Authorization == "Bearer hf_secret"));
        Assert.IsTrue(!Hub.Storage.Requests.IsEmpty && Hub.Storage.Requests.All(r => r.Authorization is null));
    }

    [TestMethod]
    public void APassingFailureOfTheServerIsTriedAgain()
    {
        Hub.Failures.Enqueue(HttpStatusCode.ServiceUnavailable);
        Hub.Failures.Enqueue(HttpStatusCode.TooManyRequests);
        Get();
    }

    [TestMethod]
    public void TwoAtOnceDownloadOnce()
    {
        Parallel.Invoke(() => Get(), () => Get());
        Assert.AreEqual(1, Hub.Storage.Requests.Count(r => r.Method == "GET"));
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
