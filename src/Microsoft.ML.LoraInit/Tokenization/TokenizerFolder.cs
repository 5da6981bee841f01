using System.Text.Json;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// A tokenizer's files, read as transformers 5 reads them: <c>tokenizer.json</c>, or <c>vocab.json</c> and <c>merges.txt</c>; what
/// <c>tokenizer_config.json</c> says goes before both; <c>added_tokens.json</c> and <c>special_tokens_map.json</c> fill what is left open.
/// </summary>
/// <param name="type">Whose tokenizer is expected.</param>
/// <param name="open">Opens a file by its name; null where it is absent.</param>
/// <param name="source">What messages call the folder.</param>
internal sealed class TokenizerFolder(RobertaModelType type, Func<string, Stream?> open, string source)
{
    private static readonly string[] Lists = ["additional_special_tokens", "extra_special_tokens"];

    private readonly VocabularyFiles _vocabulary = VocabularyFiles.Of(type, open, source);

    /// <summary>Whether the vocabulary is there, in either form.</summary>
    public bool IsComplete => _vocabulary.IsComplete;

    /// <summary>Opens a file of <see cref="VocabularyFiles.Names"/>, or makes it of <c>tokenizer.json</c>.</summary>
    public Stream OpenVocabulary(string name) => _vocabulary.Open(name);

    /// <summary>Refuses another vocabulary.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public void CheckSameVocabulary(TokenizerFolder other) => _vocabulary.CheckSame(other._vocabulary);

    /// <summary>The tokenizer of a model.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="rule">What the tokenizer's settings say.</param>
    /// <exception cref="InvalidDataException">A file is damaged, or does not fit the model.</exception>
    public SubwordTokenizer Tokenizer(RobertaConfig config, TokenizerRule rule) => _vocabulary.Tokenizer(config, rule);

    /// <summary>The rule that the files state for a model.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="configJson">The text of its <c>config.json</c>, whose ids must not contradict the tokenizer's.</param>
    /// <exception cref="InvalidDataException">The tokenizer is not RoBERTa's, or contradicts itself or the model.</exception>
    public TokenizerRule ReadRule(RobertaConfig config, string configJson)
    {
        var vocabulary = _vocabulary.Ids();
        var json = _vocabulary.Json;
        var known = new AddedTokenSet(json?.Tokens ?? [], vocabulary, source);
        var names = new Dictionary<string, string>(TokenizerRule.DefaultNames, StringComparer.Ordinal);
        if (json is not null)
            (names[TokenizerRule.Cls], names[TokenizerRule.Sep]) = (json.Cls.Name, json.Sep.Name);
        bool always = type != RobertaModelType.Roberta, prefix = json?.AddPrefixSpace ?? always;
        Read(TokenizerNames.Settings, settings =>
        {
            prefix = settings.Flag("add_prefix_space", prefix);
            if (always && !prefix)
                throw settings.Bad("add_prefix_space", "is false", "the models of XLM-RoBERTa and CamemBERT put U+2581 before every word (true)");
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
}
