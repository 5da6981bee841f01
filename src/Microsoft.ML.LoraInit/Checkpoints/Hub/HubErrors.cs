using System.Net;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>The hub's refusals in plain words. Each is an <see cref="HttpRequestException"/> with its status code.</summary>
internal static class HubErrors
{
    /// <summary>Whether the hub says that the repository lacks this one file.</summary>
    public static bool IsMissingEntry(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.NotFound && Header(response, "X-Error-Code") is null or "EntryNotFound";

    /// <summary>Whether another attempt may succeed.</summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        HttpRequestException { StatusCode: { } status } => (int)status >= 500 || status is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout,
        HttpRequestException or HttpIOException or TimeoutException => true,
        _ => false,
    };

    /// <summary>What to throw for a response that is not a success.</summary>
    public static HttpRequestException From(HttpResponseMessage response, HubSettings settings, string repository, string revision, string file)
    {
        var where = $"'{repository}' at revision '{revision}' on {settings.Endpoint.Host}";
        var page = new Uri(settings.Endpoint, repository);
        var advice = settings.Token is null
            ? "If it is private, set HubOptions.Token or HF_TOKEN"
            : "If it is private, the token (HubOptions.Token or HF_TOKEN) is not one that may read it";
        var code = Header(response, "X-Error-Code");
        var message = (response.StatusCode, code) switch
        {
            (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden, "GatedRepo") =>
                $"Access to {where} is gated: accept its terms at {page} and set HubOptions.Token or HF_TOKEN to a token of that account.",
            (HttpStatusCode.Unauthorized, _) =>
                $"The hub does not let us read {where}: no repository of that name is open to us. Check the id. {advice}.",
            (HttpStatusCode.Forbidden, _) =>
                $"The hub forbids access to {where}. {advice}.",
            (HttpStatusCode.NotFound, "RepoNotFound") =>
                $"There is no {where}. Check the id. {advice}.",
            (HttpStatusCode.NotFound, "RevisionNotFound") =>
                $"The repository '{repository}' has no revision '{revision}'. Check HubOptions.Revision against {page}/tree/main.",
            (HttpStatusCode.NotFound, _) =>
                $"There is no {file} in {where}. Is it a RoBERTa with {CheckpointNames.Config} and a tokenizer ({CheckpointNames.Vocabulary} and {CheckpointNames.Merges}, {TokenizerNames.SentencePiece}, or {TokenizerNames.Tokenizer})? Otherwise check the id. {advice}.",
            (HttpStatusCode.TooManyRequests, _) =>
                $"The hub asks for fewer requests while reading {file} of {where}. Try again later, or set HF_TOKEN for a higher limit.",
            _ => $"The hub answered {(int)response.StatusCode} ({response.ReasonPhrase}) for {file} of {where}.",
        };
        return new HttpRequestException(message, null, response.StatusCode);
    }

    /// <summary>What to throw where there was no answer at all.</summary>
    public static HttpRequestException Unreachable(Exception exception, HubSettings settings, string repository, string file) =>
        new($"{file} of '{repository}' could not be read from {settings.Endpoint}: {exception.Message} "
            + "Check the connection (and HF_ENDPOINT, if set); with the model in the cache, HubOptions.Offline or HF_HUB_OFFLINE=1 uses it without the network.",
            exception, (exception as HttpRequestException)?.StatusCode);

    public static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
