namespace Microsoft.ML.LoraInit;

/// <summary>How the Hugging Face hub is used. What is left null follows the environment, as Python's huggingface_hub does.</summary>
public sealed record HubOptions
{
    /// <summary>A branch, tag or commit. Default <c>main</c>.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>The cache's folder; null (the default) for <c>HF_HUB_CACHE</c>, or <c>hub</c> below <c>HF_HOME</c>, or <c>~/.cache/huggingface/hub</c>.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>The hub's address; null (the default) for <c>HF_ENDPOINT</c> or <c>https://huggingface.co</c>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>An access token for private repositories; null (the default) for <c>HF_TOKEN</c> or none. It is sent to <see cref="Endpoint"/> only.</summary>
    public string? Token { get; init; }

    /// <summary>Use the cache alone and never the network; null (the default) for <c>HF_HUB_OFFLINE</c>.</summary>
    public bool? Offline { get; init; }
}
