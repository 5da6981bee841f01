using System.Diagnostics;
using System.Net;

namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>
/// Brings one file into the cache: into <c>&lt;blob&gt;.incomplete</c>, going on where an earlier attempt stopped, then
/// checked against its hash, and only then under its final name.
/// </summary>
internal sealed class HubDownload(HubClient client, HubCache cache, IProgress<TrainingProgress>? progress, TimeSpan retryDelay)
{
    private const int MaxAttempts = 5;
    private const int BufferSize = 1 << 17;
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(100);

    private long _lastReport;

    /// <summary>Downloads a file unless its blob is there, and links it into its commit's snapshot.</summary>
    /// <exception cref="HttpRequestException">Refused, or unreachable in every attempt; what has arrived is kept.</exception>
    /// <exception cref="InvalidDataException">The content is not what the hub's hash says; it was deleted.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; what has arrived is kept.</exception>
    public async Task RunAsync(HubFile file, CancellationToken cancellationToken)
    {
        using (await cache.LockAsync(file.Etag, cancellationToken).ConfigureAwait(false))
        {
            var blob = cache.Blob(file.Etag);
            if (!File.Exists(blob))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
                var part = cache.IncompleteBlob(file.Etag);
                await FetchAsync(file, part, cancellationToken).ConfigureAwait(false);
                await VerifyAsync(file, part, cancellationToken).ConfigureAwait(false);
                File.Move(part, blob);
            }
        }
        cache.Link(file.Commit, file.Name, file.Etag);
    }

    private async Task FetchAsync(HubFile file, string part, CancellationToken cancellationToken)
    {
        var stream = new FileStream(part, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1, useAsync: true);
        await using var _ = stream.ConfigureAwait(false);
        _lastReport = 0;
        if (stream.Length > file.Length)
            stream.SetLength(0);
        for (int attempt = 1; stream.Length != file.Length; attempt++)
        {
            long before = stream.Seek(0, SeekOrigin.End);
            try
            {
                if (await AppendAsync(file, stream, cancellationToken).ConfigureAwait(false))
                    break;
                // The server closed early without an error.
                throw new HttpIOException(HttpRequestError.ResponseEnded, $"The connection ended at byte {stream.Length:N0} of {file.Length:N0}.");
            }
            catch (Exception exception) when (HubErrors.IsTransient(exception))
            {
                // A connection that brings something each time may be cut as often as it likes.
                if (stream.Length > before)
                    attempt = 0;
                if (attempt >= MaxAttempts)
                    throw HubErrors.Unreachable(exception, client.Settings, client.Repository, file.Name);
                await Task.Delay(retryDelay * (1 << attempt), cancellationToken).ConfigureAwait(false);
            }
        }
        stream.Flush(flushToDisk: true);
    }

    /// <summary>One request; false where fewer bytes came than the file has.</summary>
    private async Task<bool> AppendAsync(HubFile file, FileStream stream, CancellationToken cancellationToken)
    {
        using var response = await client.GetAsync(file, stream.Position, cancellationToken).ConfigureAwait(false);
        bool continues = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == stream.Position;
        if (!continues)
            stream.SetLength(0);
        if (response.StatusCode != HttpStatusCode.OK && !continues)
            return false;

        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = body.ConfigureAwait(false);
        var buffer = new byte[BufferSize];
        int count;
        while ((count = await ReadAsync(body, buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            Report(file, stream.Position);
            // More than promised cannot be right; the hash will say so.
            if (stream.Position > file.Length)
                return true;
        }
        return file.Length is null || stream.Position == file.Length;
    }

    private static async Task<int> ReadAsync(Stream body, byte[] buffer, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(HubClient.SilenceLimit);
        try
        {
            return await body.ReadAsync(buffer, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"Nothing arrived for {HubClient.SilenceLimit.TotalSeconds:0} seconds.");
        }
        catch (IOException exception) when (exception is not HttpIOException)
        {
            // A reset socket surfaces as a plain IOException, as a full disk would: this one is the network's.
            throw new HttpIOException(HttpRequestError.ResponseEnded, exception.Message, exception);
        }
    }

    private async Task VerifyAsync(HubFile file, string part, CancellationToken cancellationToken)
    {
        try
        {
            await file.VerifyAsync(part, client.Repository, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException)
        {
            File.Delete(part);
            throw;
        }
    }

    private void Report(HubFile file, long done)
    {
        if (progress is null || (done != file.Length && Stopwatch.GetElapsedTime(_lastReport) < ReportInterval))
            return;
        _lastReport = Stopwatch.GetTimestamp();
        var total = file.Length is { } length ? $" of {length / 1e6:0.0}" : "";
        progress.Report(new TrainingProgress
        {
            Phase = TrainingPhase.LoadingModel,
            Step = done,
            TotalSteps = file.Length ?? 0,
            Message = $"Downloading {file.Name} of {client.Repository}: {done / 1e6:0.0}{total} MB",
        });
    }
}
