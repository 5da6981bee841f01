using System.Text.Json;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>A value of a tokenizer's JSON file, read with one kind of error: file, place, what was found, what is expected.</summary>
internal readonly struct TokenizerElement(JsonElement value, string source, string path = "")
{
    // roberta-base's is 3 MB; the largest vocabularies have 20.
    private const long MaxBytes = 64 << 20;

    public bool IsText => value.ValueKind == JsonValueKind.String;

    public bool IsObject => value.ValueKind == JsonValueKind.Object;

    /// <summary>Reads a file, and hands its content to a reader.</summary>
    /// <exception cref="InvalidDataException">It is no JSON object, has a member twice, or is too large; or whatever the reader finds.</exception>
    public static T Read<T>(Stream stream, string source, Func<JsonElement, T> read)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[81920];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            if (bytes.Length + count > MaxBytes)
                throw new InvalidDataException($"'{source}' has more than {MaxBytes >> 20} MB: it is no tokenizer's file.");
            bytes.Write(buffer, 0, count);
        }
        try
        {
            using var document = JsonDocument.Parse(bytes.GetBuffer().AsMemory(0, (int)bytes.Length), new JsonDocumentOptions { AllowDuplicateProperties = false });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? read(document.RootElement)
                : throw new InvalidDataException($"'{source}' holds no JSON object.");
        }
        // The latter for text that is no valid Unicode, found only when it is decoded.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{source}' is not valid JSON: {e.Message}", e);
        }
    }

    public bool Has(string key) => Find(key) is not null;

    public TokenizerElement Object(string key) => Child(key) is { IsObject: true } child ? child : throw Bad(key, "is no object", "a JSON object is expected");

    public IEnumerable<(string Name, TokenizerElement Value)> Members()
    {
        var (origin, prefix) = (source, path);
        return value.EnumerateObject().Select(m => (m.Name, new TokenizerElement(m.Value, origin, Join(prefix, m.Name))));
    }

    public List<TokenizerElement> List(string key) => Child(key).List();

    public List<TokenizerElement> List()
    {
        if (value.ValueKind != JsonValueKind.Array)
            throw Bad("is no list", "a list is expected");
        var items = new List<TokenizerElement>();
        foreach (var item in value.EnumerateArray())
            items.Add(new(item, source, $"{path}[{items.Count}]"));
        return items;
    }

    /// <summary>The <c>type</c> of an object, or null where the key is absent.</summary>
    public string? Kind(string key) => Has(key) ? Object(key).Kind() : null;

    public string? Kind() => Text("type");

    public string? Text(string key) => Has(key) ? Child(key).Text() : null;

    public string Text() => IsText ? value.GetString()! : throw Bad("is no text", "a text is expected");

    public bool Flag(string key, bool otherwise) => !Has(key) ? otherwise : Find(key)!.Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Bad(key, "is neither true nor false", "true or false is expected"),
    };

    public int Integer(string key) => Child(key).Integer();

    public int Integer() => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : throw Bad("is no whole number", "an id is expected");

    public double Number(string key) => Find(key) is { ValueKind: JsonValueKind.Number } number && number.TryGetDouble(out var result)
        ? result
        : throw Bad(key, "is no number", "a number is expected");

    public double Number() => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) ? number : throw Bad("is no number", "a number is expected");

    public InvalidDataException Bad(string key, string found, string expected) => new($"'{source}': '{Join(path, key)}' {found}; {expected}.");

    public InvalidDataException Bad(string found, string expected) => new($"'{source}': '{path}' {found}; {expected}.");

    /// <summary>A value that is there.</summary>
    public TokenizerElement Child(string key) => Find(key) is { } child ? new(child, source, Join(path, key)) : throw Bad(key, "is missing", "the file is incomplete");

    private JsonElement? Find(string key) =>
        IsObject && value.TryGetProperty(key, out var found) && found.ValueKind != JsonValueKind.Null ? found : null;

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";
}
