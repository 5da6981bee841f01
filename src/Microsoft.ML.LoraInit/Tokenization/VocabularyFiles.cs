using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization.SentencePiece;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>The files of a tokenizer's vocabulary, which each kind of tokenizer has of its own.</summary>
/// <param name="open">Opens a file by its name; null where it is absent.</param>
/// <param name="source">What messages call the folder.</param>
internal abstract class VocabularyFiles(Func<string, Stream?> open, string source)
{
    private TokenizerJson? _json;

    /// <summary>The kind of a model's.</summary>
    public static VocabularyFiles Of(RobertaModelType type, Func<string, Stream?> open, string source) =>
        type == RobertaModelType.Roberta ? new BytePairFiles(open, source) : new SentencePieceFiles(type, open, source);

    /// <summary>The files of a model of this kind, without which there must be a <see cref="TokenizerNames.Tokenizer"/>.</summary>
    public static IReadOnlyList<string> Names(RobertaModelType type) =>
        type == RobertaModelType.Roberta ? [TokenizerNames.Vocabulary, TokenizerNames.Merges] : [TokenizerNames.SentencePiece];

    /// <summary>What messages call the files.</summary>
    public static string Listed(RobertaModelType type) => string.Join(" and ", Names(type));

    /// <summary>Whether the vocabulary is there, in either form.</summary>
    public bool IsComplete => HasOwn || HasJson;

    /// <summary>What <c>tokenizer.json</c> says, or null where it is absent.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of another kind.</exception>
    public TokenizerJson? Json
    {
        get
        {
            if (_json is null && HasJson)
            {
                using var stream = open(TokenizerNames.Tokenizer)!;
                var name = $"{source}: {TokenizerNames.Tokenizer}";
                _json = TokenizerElement.Read(stream, name, root => Parse(new TokenizerElement(root, name), name));
            }
            return _json;
        }
    }

    /// <summary>The names of <see cref="Open"/>.</summary>
    protected abstract IReadOnlyList<string> OwnNames { get; }

    /// <summary>Whether there are files beside <c>tokenizer.json</c> that have the vocabulary.</summary>
    protected bool HasOwn => OwnNames.All(Has);

    /// <summary>What messages call the folder.</summary>
    protected string Source => source;

    private bool HasJson => Has(TokenizerNames.Tokenizer);

    /// <summary>Opens a file of <see cref="Names"/>, or makes it of <c>tokenizer.json</c>: what a saved model keeps.</summary>
    /// <exception cref="FileNotFoundException">There is neither.</exception>
    public Stream Open(string name) => HasOwn ? open(name)! : new MemoryStream(Made(Json ?? throw Missing(), name), writable: false);

    /// <summary>Every token and its id, after a check that the files agree.</summary>
    /// <exception cref="FileNotFoundException">There is no vocabulary.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or two do not agree.</exception>
    public abstract IReadOnlyDictionary<string, int> Ids();

    /// <summary>Refuses another vocabulary.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public abstract void CheckSame(VocabularyFiles other);

    /// <summary>The tokenizer.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="rule">What the tokenizer's settings say.</param>
    /// <exception cref="InvalidDataException">A file is damaged, or does not fit the model.</exception>
    public abstract SubwordTokenizer Tokenizer(RobertaConfig config, TokenizerRule rule);

    /// <summary>A file of <see cref="Names"/> with what <c>tokenizer.json</c> says.</summary>
    protected abstract byte[] Made(TokenizerJson json, string name);

    /// <summary>Reads <c>tokenizer.json</c>.</summary>
    protected abstract TokenizerJson Parse(TokenizerElement root, string name);

    /// <summary>Two files contradict each other.</summary>
    protected InvalidDataException Disagree() => new(
        $"'{source}': {TokenizerNames.Tokenizer} has another vocabulary than {string.Join(" and ", OwnNames)}: the files are not of one tokenizer. Remove what is older.");

    /// <summary>An adapter brings another tokenizer.</summary>
    protected InvalidDataException Another() => new(
        $"'{source}' brings a tokenizer with another vocabulary than its base's: adapter and base do not belong together.");

    protected FileNotFoundException Missing() => new($"'{source}' has neither {string.Join(" with ", OwnNames)} nor {TokenizerNames.Tokenizer}.", OwnNames[0]);

    private bool Has(string name)
    {
        using var stream = open(name);
        return stream is not null;
    }
}
