namespace Microsoft.ML.LoraInit;

/// <summary>
/// How the Hugging Face hub is used. What is left null follows the environment, by the variables that Python's
/// huggingface_hub reads, so one setting serves both.
/// </summary>
public sealed class HubOptions
{
    internal const string DefaultRevision = "main";

    /// <summary>A branch, tag or commit. Default <c>main</c>. A commit's 40 digits pin the model and save asking the hub again.</summary>
    public string Revision { get; init; } = DefaultRevision;

    /// <summary>
    /// The cache's folder, in the layout shared with Python; null (the default) for <c>HF_HUB_CACHE</c>, else <c>hub</c>
    /// below <c>HF_HOME</c>, else <c>~/.cache/huggingface/hub</c>.
    /// </summary>
    public string? CacheDirectory { get; init; }

    /// <summary>The hub's address; null (the default) for <c>HF_ENDPOINT</c>, else <c>https://huggingface.co</c>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>
    /// An access token for private or gated repositories; null (the default) for <c>HF_TOKEN</c>, else none. It is sent
    /// to <see cref="Endpoint"/> alone, never to the host that a redirect names.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>Use the cache alone and never the network; null (the default) for <c>HF_HUB_OFFLINE</c>, else false.</summary>
    public bool? Offline { get; init; }
}
