using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>
/// Finds or downloads all files of a checkpoint, of one commit, and returns the folder that holds them.
/// </summary>
internal sealed class HubSnapshot
{
    private static readonly TimeSpan DefaultRetryDelay = TimeSpan.FromMilliseconds(500);

    private readonly HubSettings _settings;
    private readonly HubCache _cache;
    private readonly HubClient _client;
    private readonly HubDownload _download;
    private readonly string _repository;
    private readonly TimeSpan _retryDelay;

    public HubSnapshot(HubSettings settings, string repository, IProgress<TrainingProgress>? progress, TimeSpan? retryDelay = null)
    {
        _settings = settings;
        _repository = repository;
        _retryDelay = retryDelay ?? DefaultRetryDelay;
        _cache = new HubCache(settings.CacheDirectory, repository);
        _client = new HubClient(settings, repository);
        _download = new HubDownload(_client, _cache, progress, _retryDelay);
    }

    /// <summary>The snapshot's folder, complete.</summary>
    /// <exception cref="FileNotFoundException">Offline, and the cache lacks something; the message names it.</exception>
    /// <exception cref="HttpRequestException">The hub refused or was unreachable.</exception>
    /// <exception cref="InvalidDataException">A download was damaged, or the answers are not a hub's.</exception>
    /// <exception cref="NotSupportedException">The repository has its weights only as a pickle.</exception>
    public async Task<string> GetAsync(CancellationToken cancellationToken)
    {
        // A commit never changes, so one that is complete needs no question to the hub.
        if (_settings.Offline || HubCache.IsCommit(_settings.Revision))
        {
            var commit = _cache.FindCommit(_settings.Revision);
            var missing = commit is null ? [CheckpointNames.Config, CheckpointNames.Weights] : Missing(commit);
            if (missing.Count == 0 && (_settings.Offline || TokenizerNames.Optional.All(name => _cache.Has(commit!, name) || _cache.IsAbsent(commit!, name))))
                return _cache.Snapshot(commit!);
            if (_settings.Offline)
                throw OfflineMiss(commit, missing);
        }
        return await DownloadAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<string> DownloadAsync(CancellationToken cancellationToken)
    {
        // The first answer names the commit, and all files are then taken from that one.
        var config = await DescribeAsync(_settings.Revision, CheckpointNames.Config, cancellationToken).ConfigureAwait(false)
            ?? throw MissingFile(CheckpointNames.Config);
        var commit = config.Commit;
        if (!_cache.Has(commit, config.Name))
            await _download.RunAsync(config, cancellationToken).ConfigureAwait(false);
        var type = Roberta(commit).ModelType;
        _cache.SaveCommit(_settings.Revision, commit);
        foreach (var name in TokenizerNames.Optional)
            if (!_cache.IsAbsent(commit, name) && !await EnsureAsync(commit, name, cancellationToken).ConfigureAwait(false))
                _cache.MarkAbsent(commit, name);
        foreach (var name in VocabularyFiles.Names(type))
            if (!await EnsureAsync(commit, name, cancellationToken).ConfigureAwait(false) && !_cache.Has(commit, TokenizerNames.Tokenizer))
                throw MissingFile(name);
        await EnsureWeightsAsync(commit, cancellationToken).ConfigureAwait(false);
        return _cache.Snapshot(commit);
    }

    private async Task EnsureWeightsAsync(string commit, CancellationToken cancellationToken)
    {
        if (await EnsureAsync(commit, CheckpointNames.Weights, cancellationToken).ConfigureAwait(false))
            return;
        if (await EnsureAsync(commit, CheckpointNames.WeightsIndex, cancellationToken).ConfigureAwait(false))
        {
            foreach (var shard in Shards(commit))
                if (!await EnsureAsync(commit, shard, cancellationToken).ConfigureAwait(false))
                    throw MissingFile(shard);
            return;
        }
        foreach (var pickle in CheckpointNames.Pickles)
            if (await DescribeAsync(commit, pickle, cancellationToken).ConfigureAwait(false) is not null)
                throw new NotSupportedException(CheckpointNames.PickleAdvice(_repository));
        throw MissingFile(CheckpointNames.Weights);
    }

    /// <summary>False where the commit has no such file.</summary>
    private async Task<bool> EnsureAsync(string commit, string name, CancellationToken cancellationToken)
    {
        if (_cache.Has(commit, name))
            return true;
        var file = await DescribeAsync(commit, name, cancellationToken).ConfigureAwait(false);
        if (file is null)
            return false;
        await _download.RunAsync(file, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task<HubFile?> DescribeAsync(string revision, string name, CancellationToken cancellationToken)
    {
        const int attempts = 3;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                var file = await _client.DescribeAsync(revision, name, cancellationToken).ConfigureAwait(false);
                if (file is not null && HubCache.IsCommit(revision) && file.Commit != revision)
                    throw new InvalidDataException($"{_settings.Endpoint} answered with the commit {file.Commit} where {revision} of '{_repository}' was asked for.");
                return file;
            }
            catch (Exception exception) when (HubErrors.IsTransient(exception))
            {
                if (attempt == attempts)
                    throw exception is HttpRequestException { StatusCode: not null } ? exception : HubErrors.Unreachable(exception, _settings, _repository, name);
                await Task.Delay(_retryDelay * (1 << attempt), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // An unsupported architecture is told before hundreds of megabytes are downloaded.
    private LoraInit.Roberta.RobertaConfig Roberta(string commit) =>
        RobertaConfigReader.Parse(File.ReadAllText(Path.Combine(_cache.Snapshot(commit), CheckpointNames.Config)), $"{_repository}: {CheckpointNames.Config}");

    private IReadOnlyList<string> Shards(string commit)
    {
        var index = Path.Combine(_cache.Snapshot(commit), CheckpointNames.WeightsIndex);
        return ShardIndex.Files(ShardIndex.Parse(File.ReadAllText(index), $"{_repository}: {CheckpointNames.WeightsIndex}"));
    }

    private List<string> Missing(string commit)
    {
        if (!_cache.Has(commit, CheckpointNames.Config))
            return [CheckpointNames.Config];
        var wanted = new List<string>();
        if (!_cache.Has(commit, TokenizerNames.Tokenizer))
            wanted.AddRange(VocabularyFiles.Names(Roberta(commit).ModelType));
        if (!_cache.Has(commit, CheckpointNames.Weights) && _cache.Has(commit, CheckpointNames.WeightsIndex))
            wanted.AddRange(Shards(commit));
        else
            wanted.Add(CheckpointNames.Weights);
        return wanted.FindAll(name => !_cache.Has(commit, name));
    }

    private FileNotFoundException OfflineMiss(string? commit, List<string> missing) =>
        new($"Offline, and the cache lacks {string.Join(", ", missing)} of '{_repository}' at revision '{_settings.Revision}'"
            + $"{(commit is null || commit == _settings.Revision ? "" : $" (commit {commit})")}; looked in '{_cache.Folder}'. "
            + "Run once with network access (HubOptions.Offline = false, HF_HUB_OFFLINE unset), or name the cache that has it (HubOptions.CacheDirectory, HF_HOME).",
            Path.Combine(_cache.Folder, missing[0]));

    private HttpRequestException MissingFile(string name)
    {
        using var response = new HttpResponseMessage(System.Net.HttpStatusCode.NotFound);
        return HubErrors.From(response, _settings, _repository, _settings.Revision, name);
    }
}
