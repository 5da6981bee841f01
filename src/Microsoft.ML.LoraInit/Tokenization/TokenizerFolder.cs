using System.Text.Json;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// A tokenizer's files, read as transformers 5 reads them: <c>tokenizer.json</c>, or <c>vocab.json</c> and <c>merges.txt</c>; what
/// <c>tokenizer_config.json</c> says goes before both; <c>added_tokens.json</c> and <c>special_tokens_map.json</c> fill what is left open.
/// </summary>
/// <param name="open">Opens a file by its name; null where it is absent.</param>
/// <param name="source">What messages call the folder.</param>
internal sealed class TokenizerFolder(Func<string, Stream?> open, string source)
{
    private static readonly string[] Lists = ["additional_special_tokens", "extra_special_tokens"];

    private TokenizerJson? _json;

    /// <summary>Whether there are vocabulary and merges beside <c>tokenizer.json</c>.</summary>
    public bool HasVocabulary => Has(TokenizerNames.Vocabulary) && Has(TokenizerNames.Merges);

    /// <summary>Whether vocabulary and merges are there, in either form.</summary>
    public bool IsComplete => HasVocabulary || Has(TokenizerNames.Tokenizer);

    /// <summary>Opens <c>vocab.json</c>, or makes it of <c>tokenizer.json</c>.</summary>
    public Stream OpenVocabulary() => HasVocabulary ? open(TokenizerNames.Vocabulary)! : new MemoryStream(JsonSerializer.SerializeToUtf8Bytes(Json().Vocabulary));

    /// <summary>Opens <c>merges.txt</c>, or makes it of <c>tokenizer.json</c>.</summary>
    public Stream OpenMerges() => HasVocabulary
        ? open(TokenizerNames.Merges)!
        : new MemoryStream(System.Text.Encoding.UTF8.GetBytes($"#version: 0.2\n{string.Join('\n', Json().Merges)}\n"));

    /// <summary>Refuses another vocabulary or other merges.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public void CheckSameVocabulary(TokenizerFolder other)
    {
        var (mine, its) = (Content(this), Content(other));
        if (mine.Vocabulary.Count != its.Vocabulary.Count || mine.Vocabulary.Any(t => !its.Vocabulary.TryGetValue(t.Key, out var id) || id != t.Value) || !mine.Merges.SequenceEqual(its.Merges))
            throw new InvalidDataException($"'{source}' brings a tokenizer with another vocabulary than its base's: adapter and base do not belong together.");

        static (Dictionary<string, int> Vocabulary, List<string> Merges) Content(TokenizerFolder folder)
        {
            using var vocabulary = folder.OpenVocabulary();
            using var merges = folder.OpenMerges();
            var ids = VocabularyReader.ReadVocabulary(vocabulary);
            return (ids, VocabularyReader.ReadMerges(merges, ids));
        }
    }

    /// <summary>The rule that the files state for a model.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="configJson">The text of its <c>config.json</c>, whose ids must not contradict the tokenizer's.</param>
    /// <exception cref="InvalidDataException">The tokenizer is not RoBERTa's, or contradicts itself or the model.</exception>
    public TokenizerRule ReadRule(RobertaConfig config, string configJson)
    {
        if (!IsComplete)
            throw new FileNotFoundException($"'{source}' has neither {TokenizerNames.Vocabulary} with {TokenizerNames.Merges} nor {TokenizerNames.Tokenizer}.", TokenizerNames.Vocabulary);
        var json = Has(TokenizerNames.Tokenizer) ? Json() : null;
        var vocabulary = Vocabulary(json);
        var known = new AddedTokenSet(json?.Tokens ?? [], vocabulary, source);
        var names = new Dictionary<string, string>(TokenizerRule.DefaultNames, StringComparer.Ordinal);
        if (json is not null)
            (names[TokenizerRule.Cls], names[TokenizerRule.Sep]) = (json.Cls.Name, json.Sep.Name);
        bool prefix = json?.AddPrefixSpace ?? false;
        Read(TokenizerNames.Settings, settings =>
        {
            prefix = settings.Flag("add_prefix_space", prefix);
            if (settings.Has("added_tokens_decoder"))
                known.Describe(settings.Object("added_tokens_decoder"));
        });
        Read(TokenizerNames.AddedTokens, known.Add);
        foreach (var file in new[] { TokenizerNames.SpecialTokens, TokenizerNames.Settings }) // the latter's word is the last
            Read(file, settings => Specials(settings, known, names));
        known.Complete(names.Values);
        var rule = new TokenizerRule { AddPrefixSpace = prefix, Tokens = known.Tokens, Names = names };
        rule.Check(config);
        Agree(rule, json, configJson);
        return rule;
    }

    private static void Specials(TokenizerElement settings, AddedTokenSet known, Dictionary<string, string> names)
    {
        foreach (var key in TokenizerRule.DefaultNames.Keys)
            if (settings.Has(key))
                names[key] = known.Special(settings.Child(key));
        foreach (var key in Lists)
        {
            if (!settings.Has(key))
                continue;
            var value = settings.Child(key);
            foreach (var token in value.IsObject ? value.Members().Select(m => m.Value) : value.List())
                known.Special(token);
        }
    }

    /// <summary>The special tokens' ids are the tokenizer's, and config.json must not have others.</summary>
    private void Agree(TokenizerRule rule, TokenizerJson? json, string configJson)
    {
        foreach (var (key, told) in json is null ? [] : new[] { (TokenizerRule.Cls, json.Cls), (TokenizerRule.Sep, json.Sep) })
            if (rule.Names[key] != told.Name || (rule.IdOf(key) is { } id && id != told.Id))
                throw new InvalidDataException($"'{source}': {TokenizerNames.Tokenizer} puts '{told.Name}' ({told.Id}) where {key} is '{rule.Names[key]}' ({rule.IdOf(key)}): the files are not of one tokenizer.");
        using var config = JsonDocument.Parse(configJson);
        foreach (var key in TokenizerRule.DefaultNames.Keys)
        {
            // The position table begins behind the padding's id, which is 1 where config.json has none.
            int? stated = config.RootElement.TryGetProperty($"{key}_id", out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32()
                : key == TokenizerRule.Pad ? 1 : null;
            if (stated is { } expected && rule.IdOf(key) is { } found && found != expected)
                throw new InvalidDataException($"'{source}': the tokenizer gives {key} '{rule.Names[key]}' the id {found}, but config.json has {key}_id {expected}: they are not of one model. Correct the one that is wrong.");
        }
    }

    private Dictionary<string, int> Vocabulary(TokenizerJson? json)
    {
        if (!HasVocabulary)
            return json!.Vocabulary;
        using var stream = open(TokenizerNames.Vocabulary)!;
        var vocabulary = VocabularyReader.ReadVocabulary(stream);
        if (json is null)
            return vocabulary;
        using var merges = open(TokenizerNames.Merges)!;
        if (json.Vocabulary.Count != vocabulary.Count || json.Vocabulary.Any(t => !vocabulary.TryGetValue(t.Key, out var id) || id != t.Value)
            || !VocabularyReader.ReadMerges(merges, vocabulary).SequenceEqual(json.Merges))
            throw new InvalidDataException($"'{source}': {TokenizerNames.Tokenizer} has another vocabulary or other merges than {TokenizerNames.Vocabulary} and {TokenizerNames.Merges}: the files are not of one tokenizer. Remove what is older.");
        return vocabulary;
    }

    private TokenizerJson Json()
    {
        if (_json is null)
        {
            using var stream = open(TokenizerNames.Tokenizer) ?? throw new FileNotFoundException($"'{source}' has no {TokenizerNames.Tokenizer}.", TokenizerNames.Tokenizer);
            var name = $"{source}: {TokenizerNames.Tokenizer}";
            _json = TokenizerElement.Read(stream, name, root => TokenizerJson.Parse(root, name));
        }
        return _json;
    }

    private void Read(string file, Action<TokenizerElement> read)
    {
        using var stream = open(file);
        if (stream is null)
            return;
        var name = $"{source}: {file}";
        TokenizerElement.Read(stream, name, root =>
        {
            read(new TokenizerElement(root, name));
            return true;
        });
    }

    private bool Has(string name)
    {
        using var stream = open(name);
        return stream is not null;
    }
}
