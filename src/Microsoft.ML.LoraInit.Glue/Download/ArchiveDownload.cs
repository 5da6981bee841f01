using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.LoraInit.Glue.Download;

/// <summary>Brings one archive: into <c>NAME.part</c>, going on where an earlier attempt stopped, checked, and only then under its name.</summary>
internal sealed class ArchiveDownload(GlueDownloadOptions options, Func<Uri, Uri> address)
{
    private const int Attempts = 5;

    private static readonly HttpClient Http = new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(15) }) { Timeout = TimeSpan.FromSeconds(60) };

    /// <returns>The archive's path.</returns>
    public async Task<string> GetAsync(GlueArchive archive, string folder, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, archive.FileName);
        if (File.Exists(path))
        {
            await CheckAsync(archive, path, path, cancellationToken).ConfigureAwait(false);
            return path;
        }
        if (options.Offline)
            throw new GlueDataException(path, null, null, $"the archive is not there and Offline is set; bring it from {archive.Uri}.");
        Directory.CreateDirectory(folder);
        var part = path + ".part";
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await FetchAsync(archive, part, cancellationToken).ConfigureAwait(false);
                break;
            }
            catch (Exception e) when (IsTransient(e, cancellationToken) && attempt < Attempts)
            {
                await Task.Delay(options.RetryDelay * (1 << (attempt - 1)), cancellationToken).ConfigureAwait(false);
            }
        }
        try
        {
            await CheckAsync(archive, part, path, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException)
        {
            File.Delete(part);
            throw;
        }
        File.Move(part, path);
        return path;
    }

    private static bool IsTransient(Exception error, CancellationToken cancellationToken) => !cancellationToken.IsCancellationRequested && error switch
    {
        HttpRequestException { StatusCode: { } status } => (int)status >= 500 || status == HttpStatusCode.TooManyRequests,
        HttpRequestException or HttpIOException or TaskCanceledException => true,
        _ => false,
    };

    private async Task FetchAsync(GlueArchive archive, string part, CancellationToken cancellationToken)
    {
        var stream = new FileStream(part, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, 1, useAsync: true);
        await using var _ = stream.ConfigureAwait(false);
        stream.Seek(0, SeekOrigin.End);
        using var request = new HttpRequestMessage(HttpMethod.Get, address(archive.Uri));
        if (stream.Position > 0)
            request.Headers.Range = new RangeHeaderValue(stream.Position, null);
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
            return; // all of it is here; the checksum decides whether it is the right file
        response.EnsureSuccessStatusCode();
        if (response.StatusCode != HttpStatusCode.PartialContent || response.Content.Headers.ContentRange?.From != stream.Position)
            stream.SetLength(0);
        var total = response.Content.Headers.ContentLength + stream.Position;
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = body.ConfigureAwait(false);
        var buffer = new byte[1 << 17];
        for (int count; (count = await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
        {
            await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            options.Progress?.Report(new() { FileName = archive.FileName, Bytes = stream.Position, TotalBytes = total });
        }
        if (total is not null && stream.Position != total)
            throw new HttpIOException(HttpRequestError.ResponseEnded, $"{archive.Uri} ended at byte {stream.Position} of {total}.");
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Compares with the known checksum, else with the one recorded beside the archive; records it where there is neither.</summary>
    private static async Task CheckAsync(GlueArchive archive, string content, string path, CancellationToken cancellationToken)
    {
        string found;
        var stream = File.OpenRead(content);
        await using (stream.ConfigureAwait(false))
            found = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false));
        var record = path + ".sha256";
        var expected = archive.Sha256 ?? (File.Exists(record) ? (await File.ReadAllTextAsync(record, cancellationToken).ConfigureAwait(false)).Trim() : null);
        if (expected is null)
            WholeFile.Write(record, s => s.Write(Encoding.ASCII.GetBytes(found + "\n")));
        else if (found != expected)
            throw new InvalidDataException($"{path}: the SHA-256 is {found}, expected {expected} for {archive.Uri}. Delete the file and download again; if it stays so, the archive has changed or is tampered with.");
    }
}
