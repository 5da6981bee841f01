using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Checkpoints.Hub;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Where a pre-trained RoBERTa comes from: <see cref="Mini"/>, <see cref="FromDirectory"/>, <see cref="FromHub"/>.
/// Nothing is read or downloaded before a trainer needs it.
/// </summary>
/// <remarks>
/// A checkpoint consists of <c>config.json</c> (any of <c>model_type</c> roberta), <c>vocab.json</c> and <c>merges.txt</c>
/// or <c>tokenizer.json</c>, and <c>model.safetensors</c>, or its shards with <c>model.safetensors.index.json</c>. Pickled weights
/// (<c>pytorch_model.bin</c>) are refused, since loading one can run code. The tokenizer's settings are read as transformers reads them
/// (<c>tokenizer_config.json</c>, <c>added_tokens.json</c>, <c>special_tokens_map.json</c>): a space before the text, added tokens, and
/// special tokens that stand in a text, such as <c>&lt;mask&gt;</c>. A trained model keeps the rule that it was trained with.
/// </remarks>
public abstract class RobertaCheckpoint
{
    private protected RobertaCheckpoint()
    {
    }

    /// <summary>The embedded model of 5.4 M parameters (package Microsoft.ML.LoraInit.Data.RobertaMini): no download.</summary>
    public static RobertaCheckpoint Mini { get; } = new EmbeddedCheckpoint();

    /// <summary>What identifies the source: <c>mini</c>, a folder's full path, or a hub id (with <c>@revision</c> where that is not main). <see cref="Parse"/> understands it.</summary>
    public abstract string Id { get; }

    /// <summary>A folder in the Hugging Face layout.</summary>
    /// <param name="path">The folder, looked for when a trainer needs it.</param>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty.</exception>
    public static RobertaCheckpoint FromDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new DirectoryCheckpoint(path);
    }

    /// <summary>A repository of the Hugging Face hub, downloaded once into the cache shared with Python.</summary>
    /// <param name="id">The repository: <c>owner/name</c>, or <c>name</c> for the oldest ones.</param>
    /// <param name="options">Revision, cache, endpoint, token and offline mode; null (the default) for what the environment says.</param>
    /// <exception cref="ArgumentException"><paramref name="id"/> is not a repository's id, or the options' revision is none.</exception>
    public static RobertaCheckpoint FromHub(string id, HubOptions? options = null) => new HubCheckpoint(id, options ?? new HubOptions());

    /// <summary>What a command line or a settings file names.</summary>
    /// <param name="text"><c>mini</c>, an existing folder, or else a hub id: <c>owner/name</c> or <c>owner/name@revision</c>.</param>
    /// <exception cref="ArgumentException"><paramref name="text"/> is none of these, or a file.</exception>
    public static RobertaCheckpoint Parse(string text)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        if (text == EmbeddedCheckpoint.MiniId)
            return Mini;
        if (Directory.Exists(text))
            return FromDirectory(text);
        if (File.Exists(text))
            throw new ArgumentException($"'{text}' is a file; name the folder of the base model, with config.json, the vocabulary and model.safetensors.", nameof(text));
        return HubCheckpoint.TryParse(text) ?? throw new ArgumentException($"'{text}' is not a base model: expected 'mini', an existing folder, or a hub id such as 'FacebookAI/roberta-base'.", nameof(text));
    }

    /// <summary>Reads how large the model is, after a download where it is on the hub.</summary>
    /// <param name="cancellationToken">Stops the download, which can be resumed.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file of the checkpoint is missing.</exception>
    /// <exception cref="InvalidDataException">A file of the checkpoint is damaged, or it is no RoBERTa.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public BaseModelShape ReadShape(CancellationToken cancellationToken = default)
    {
        using var files = Open(null, cancellationToken);
        return BaseModelShape.Of(files.Config);
    }

    /// <summary>What messages and listings show: the id.</summary>
    public override string ToString() => Id;

    /// <summary>Opens the checkpoint, after a download where it is on the hub.</summary>
    /// <param name="progress">Told about downloads and checks; may be null.</param>
    /// <param name="cancellationToken">Stops both; a download can be resumed.</param>
    internal abstract CheckpointFiles Open(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken);
}
