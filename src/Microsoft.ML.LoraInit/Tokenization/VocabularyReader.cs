using System.Text.Json;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c>, and refuses what could not be tokenised with.</summary>
internal static class VocabularyReader
{
    private static readonly JsonSource Source = new("The vocabulary (vocab.json, one JSON object of token → id)", "Get the base model's files again.");

    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.General));

    /// <summary>The library's tokenizer, and the tokens by id (in <see cref="ByteAlphabet"/> characters; empty where an id is unused).</summary>
    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    public static (BpeTokenizer Bpe, string[] Tokens) Read(Stream vocabulary, Stream merges, RobertaConfig config)
    {
        var ids = ReadVocabulary(vocabulary);
        var tokens = TokensById(ids, config);
        // The alphabet is applied by the caller, so that any run of tokens can be encoded again, even one that begins
        // or ends inside a character: ByteLevel stays off.
        var options = new BpeOptions(ids) { Merges = ReadMerges(merges, ids) };
        return (UntrustedJson.Guard(Source, () => BpeTokenizer.Create(options)), tokens);
    }

    /// <summary>Token → id.</summary>
    internal static Dictionary<string, int> ReadVocabulary(Stream stream)
    {
        var ids = UntrustedJson.Read<Dictionary<string, int>>(UntrustedFile.Read(stream, UntrustedFile.MaxVocabulary, "vocab.json"), Source, Json);
        if (ids.Count == 0)
            throw new InvalidDataException("vocab.json holds no tokens.");
        foreach (char c in ByteAlphabet.Characters)
        {
            if (!ids.ContainsKey(c.ToString()))
                throw new InvalidDataException($"vocab.json lacks '{c}' (U+{(int)c:X4}): it is not a byte-level vocabulary, which has a token for each of the 256 bytes.");
        }
        return ids;
    }

    private static string[] TokensById(Dictionary<string, int> ids, RobertaConfig config)
    {
        var tokens = new string[config.VocabularySize];
        Array.Fill(tokens, "");
        foreach (var (token, id) in ids)
        {
            if (id < 0 || id >= tokens.Length)
                throw new InvalidDataException($"vocab.json gives '{token}' the id {id}, but the model's config.json has a vocab_size of {tokens.Length}: the files are not of one model.");
            if (tokens[id].Length > 0)
                throw new InvalidDataException($"vocab.json gives the id {id} to both '{tokens[id]}' and '{token}'.");
            tokens[id] = token;
        }
        return tokens;
    }

    /// <summary>Each as "a b".</summary>
    internal static List<string> ReadMerges(Stream stream, Dictionary<string, int> ids)
    {
        var merges = new List<string>();
        var text = UntrustedFile.Text(UntrustedFile.Read(stream, UntrustedFile.MaxVocabulary, "merges.txt"), "merges.txt");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        using var reader = new StringReader(text);
        for (int number = 1; reader.ReadLine() is { } line; number++)
        {
            // Only the first line can be the header: "#" begins ordinary merges too.
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            var parts = line.Split(' ');
            if (parts.Length != 2 || parts[0].Length == 0 || parts[1].Length == 0)
                throw new InvalidDataException($"merges.txt, line {number}: found '{line}' where two tokens with one space between are expected.");
            foreach (var token in (string[])[parts[0], parts[1], parts[0] + parts[1]])
            {
                if (!ids.ContainsKey(token))
                    throw new InvalidDataException($"merges.txt, line {number}: '{token}' is not in vocab.json: the files are not of one model.");
            }
            if (!seen.Add(line))
                throw new InvalidDataException($"merges.txt, line {number}: '{line}' is there a second time.");
            merges.Add(line);
        }
        return merges;
    }
}
