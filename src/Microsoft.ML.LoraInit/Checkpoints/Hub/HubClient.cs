using System.Net;
using System.Net.Http.Headers;

namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>
/// Speaks to the hub: <c>{endpoint}/{repository}/resolve/{revision}/{file}</c>. Redirects are followed here rather than
/// by the handler, so that the token stays with the endpoint's own host.
/// </summary>
internal sealed class HubClient(HubSettings settings, string repository)
{
    private const int MaxRedirects = 10;

    /// <summary>How long the hub may stay silent before an attempt counts as failed.</summary>
    public static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(30);

    // One for the process, as HttpClient is meant to be used.
    private static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(15),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public HubSettings Settings => settings;

    public string Repository => repository;

    /// <summary>Asks about a file.</summary>
    /// <returns>Null where the revision lacks it.</returns>
    /// <exception cref="HttpRequestException">Refused or unreachable.</exception>
    /// <exception cref="InvalidDataException">The answer lacks commit or checksum: not a hub.</exception>
    public async Task<HubFile?> DescribeAsync(string revision, string file, CancellationToken cancellationToken)
    {
        // A large file's answer is a redirect to storage that itself carries the description.
        using var response = await SendAsync(HttpMethod.Head, revision, file, null, r => HubErrors.Header(r, "X-Linked-Etag") is not null, cancellationToken).ConfigureAwait(false);
        if (HubErrors.IsMissingEntry(response))
            return null;
        if ((int)response.StatusCode >= 400)
            throw HubErrors.From(response, settings, repository, revision, file);

        var commit = HubErrors.Header(response, "X-Repo-Commit") ?? "";
        var linked = HubErrors.Header(response, "X-Linked-Etag");
        var etag = Unquote(linked ?? HubErrors.Header(response, "ETag") ?? "");
        if (!HubCache.IsCommit(commit) || !HubFile.IsEtag(etag))
            throw new InvalidDataException($"{settings.Endpoint} does not answer as a model hub does: for {file} of '{repository}' it sent the commit '{commit}' and the checksum '{etag}'.");
        var length = linked is null
            ? response.Content.Headers.ContentLength
            : long.TryParse(HubErrors.Header(response, "X-Linked-Size"), out var size) && size >= 0 ? size : null;
        return new HubFile(file, commit, etag, length);
    }

    /// <summary>Requests a file's bytes.</summary>
    /// <param name="file">From <see cref="DescribeAsync"/>.</param>
    /// <param name="from">The first byte wanted; the answer may ignore it (status 200).</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    /// <returns>Status 200, 206 or 416; the body is not yet read.</returns>
    /// <exception cref="HttpRequestException">Refused or unreachable.</exception>
    public async Task<HttpResponseMessage> GetAsync(HubFile file, long from, CancellationToken cancellationToken)
    {
        var range = from > 0 ? new RangeHeaderValue(from, null) : null;
        var response = await SendAsync(HttpMethod.Get, file.Commit, file.Name, range, _ => false, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable)
            return response;
        using (response)
            throw HubErrors.From(response, settings, repository, file.Commit, file.Name);
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string revision, string file, RangeHeaderValue? range, Func<HttpResponseMessage, bool> isFinal, CancellationToken cancellationToken)
    {
        var uri = new Uri(settings.Endpoint, $"{repository}/resolve/{Uri.EscapeDataString(revision)}/{Uri.EscapeDataString(file)}");
        bool trusted = true;
        for (int i = 0; i <= MaxRedirects; i++)
        {
            using var request = new HttpRequestMessage(method, uri);
            request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Microsoft.ML.LoraInit", typeof(HubClient).Assembly.GetName().Version!.ToString(3)));
            // Compressed answers would have another length and other ranges.
            request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
            request.Headers.Range = range;
            if (trusted && settings.Token is not null)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", settings.Token);

            var response = await SendOnceAsync(request, cancellationToken).ConfigureAwait(false);
            if (!IsRedirect(response) || isFinal(response))
                return response;
            using (response)
                uri = Target(uri, response, file);
            // Once away from the endpoint's host, the token stays home for good.
            trusted &= Uri.Compare(uri, settings.Endpoint, UriComponents.SchemeAndServer, UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase) == 0;
        }
        throw Refused(HttpStatusCode.Found, $"redirected more than {MaxRedirects} times for {file}");
    }

    private static async Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(SilenceLimit);
        try
        {
            return await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"No answer within {SilenceLimit.TotalSeconds:0} seconds.");
        }
    }

    private Uri Target(Uri from, HttpResponseMessage response, string file)
    {
        var location = response.Headers.Location ?? throw Refused(response.StatusCode, $"sent a redirect without a usable target for {file}");
        if (!Uri.TryCreate(from, location, out var target))
            throw Refused(response.StatusCode, $"sent a redirect to '{location.OriginalString}', which is no address, for {file}");
        if (target.Scheme != Uri.UriSchemeHttps && target.Scheme != from.Scheme)
            throw Refused(response.StatusCode, $"redirected {file} to '{target.GetLeftPart(UriPartial.Authority)}', which is not protected by https");
        return target;
    }

    // With a status, since one without is taken for a failure of the network and tried again.
    private HttpRequestException Refused(HttpStatusCode status, string how) =>
        new($"{settings.Endpoint} {how} of '{repository}'; refused.", null, status);

    private static bool IsRedirect(HttpResponseMessage response) => response.StatusCode is
        HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;

    private static string Unquote(string etag) =>
        (etag.StartsWith("W/", StringComparison.Ordinal) ? etag[2..] : etag).Trim('"');
}
