using Microsoft.ML.LoraInit.Checkpoints.Hub;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

/// <summary>A test with a hub of its own and an empty cache.</summary>
public abstract class HubTest : IDisposable
{
    private protected HubTest() => Hub = new FakeHub(Files);

    /// <summary>The files of the hub's main revision; may be changed before they are asked for.</summary>
    protected Dictionary<string, byte[]> Files { get; } = TinyCheckpoint.Files();

    private protected TemporaryFolder Cache { get; } = new();

    private protected FakeHub Hub { get; }

    /// <summary>The repository's folder in the cache.</summary>
    protected string CachedRepository => Path.Combine(Cache.Path, "models--owner--tiny-roberta");

    public void Dispose()
    {
        Hub.Storage.Dispose();
        Hub.Dispose();
        Cache.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Finds or downloads a snapshot, untouched by the environment.</summary>
    private protected string Get(string repository = FakeHub.Repository, string revision = "main", string? token = null, bool offline = false,
        Uri? endpoint = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var options = new HubOptions { Endpoint = endpoint ?? Hub.Address, CacheDirectory = Cache.Path, Revision = revision, Token = token, Offline = offline };
        var settings = HubSettings.Resolve(options, _ => null);
        return new HubSnapshot(settings, repository, progress, TimeSpan.FromMilliseconds(1)).GetAsync(cancellationToken).GetAwaiter().GetResult();
    }
}
