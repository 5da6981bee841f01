namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary><see cref="HubOptions"/> with the environment's answers filled in.</summary>
internal sealed class HubSettings
{
    private const string DefaultEndpoint = "https://huggingface.co";
    private static readonly string[] Yes = ["1", "ON", "YES", "TRUE"];

    private HubSettings(Uri endpoint, string revision, string cacheDirectory, string? token, bool offline)
    {
        Endpoint = endpoint;
        Revision = revision;
        CacheDirectory = cacheDirectory;
        Token = token;
        Offline = offline;
    }

    /// <summary>Ends in a slash.</summary>
    public Uri Endpoint { get; }

    public string Revision { get; }

    /// <summary>Full path.</summary>
    public string CacheDirectory { get; }

    public string? Token { get; }

    public bool Offline { get; }

    /// <param name="options">What the caller set.</param>
    /// <param name="environment">Reads an environment variable.</param>
    /// <exception cref="ArgumentException">An option or variable has no usable value; the message names it.</exception>
    public static HubSettings Resolve(HubOptions options, Func<string, string?> environment)
    {
        string? Variable(string name) => environment(name) is { } value && value.Trim().Length > 0 ? value.Trim() : null;

        CheckRevision(options.Revision);
        var endpoint = options.Endpoint is { } given
            ? CheckEndpoint(given.OriginalString, "HubOptions.Endpoint")
            : CheckEndpoint(Variable("HF_ENDPOINT") ?? DefaultEndpoint, "HF_ENDPOINT");
        var home = Variable("HF_HOME") ?? Path.Combine(Variable("XDG_CACHE_HOME") ?? Path.Combine("~", ".cache"), "huggingface");
        var cache = options.CacheDirectory ?? Variable("HF_HUB_CACHE") ?? Path.Combine(home, "hub");
        var offline = options.Offline ?? (Variable("HF_HUB_OFFLINE") is { } value && Yes.Contains(value.ToUpperInvariant()));
        var token = options.Token?.Trim() is { Length: > 0 } own ? own : Variable("HF_TOKEN");
        if (token is not null && !token.All(c => c is > ' ' and <= '~'))
            throw new ArgumentException("The hub's token (HubOptions.Token or HF_TOKEN) holds characters that no token has.", nameof(options));
        return new HubSettings(endpoint, options.Revision, Path.GetFullPath(ExpandHome(cache)), token, offline);
    }

    /// <exception cref="ArgumentException">It cannot name a branch, tag or commit.</exception>
    public static void CheckRevision(string revision)
    {
        // It becomes a path below refs/ and a part of an address.
        bool valid = !string.IsNullOrEmpty(revision)
            && revision.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or '+')
            && revision.Split('/').All(part => part.Length > 0 && part is not ("." or ".."));
        if (!valid)
            throw new ArgumentException($"HubOptions.Revision is '{revision}', which names no branch, tag or commit.", nameof(revision));
    }

    private static Uri CheckEndpoint(string text, string source) =>
        Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttps || uri.Scheme == Uri.UriSchemeHttp)
            ? uri
            : throw new ArgumentException($"{source} is '{text}'; an address that begins with https:// (or http://) is expected.", nameof(source));

    private static string ExpandHome(string path) =>
        path == "~" || path.StartsWith("~/", StringComparison.Ordinal) || path.StartsWith("~\\", StringComparison.Ordinal)
            ? Path.Join(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[1..])
            : path;
}
