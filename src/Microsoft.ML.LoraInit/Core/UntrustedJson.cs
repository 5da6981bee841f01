using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// The one way from JSON of unknown origin into the library. Refused are members that stand twice, null where the reading
/// type has none, members of the wrong kind, text that is no Unicode (half a surrogate pair), and numbers beyond a float.
/// Every refusal is an <see cref="InvalidDataException"/> that names file and member and says what to do.
/// </summary>
internal static class UntrustedJson
{
    private const int MaxDepth = 64;

    private static readonly JsonDocumentOptions Documents = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    /// <summary>How this library's own formats are read and written: unknown members are refused, since new ones raise the format's version.</summary>
    public static JsonSerializerOptions Own { get; } = Strict(new JsonSerializerOptions(JsonSerializerDefaults.Web));

    /// <summary>Makes options as strict as <see cref="Own"/>.</summary>
    public static JsonSerializerOptions Strict(JsonSerializerOptions options)
    {
        options.AllowDuplicateProperties = false;
        options.RespectNullableAnnotations = true;
        options.RespectRequiredConstructorParameters = true;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.NumberHandling &= ~JsonNumberHandling.AllowReadingFromString; // which Web allows
        options.MaxDepth = MaxDepth;
        return options;
    }

    /// <summary>A document whose root is an object.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="source">Where it comes from.</param>
    public static JsonDocument Document(ReadOnlyMemory<byte> utf8, JsonSource source)
    {
        utf8 = utf8[(utf8.Length - UntrustedFile.WithoutMark(utf8.Span).Length)..];
        Scan(utf8.Span, source, nullItems: true);
        var document = Guard(source, () => JsonDocument.Parse(utf8, Documents));
        return document.RootElement.ValueKind == JsonValueKind.Object ? document : throw source.Bad(null, "holds no JSON object");
    }

    /// <inheritdoc cref="Document(ReadOnlyMemory{byte}, JsonSource)"/>
    public static JsonDocument Document(string text, JsonSource source) => Document(Bytes(text, source), source);

    /// <summary>An object of which a reader takes single members.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="source">Where it comes from.</param>
    public static JsonObject Object(ReadOnlySpan<byte> utf8, JsonSource source)
    {
        var text = UntrustedFile.WithoutMark(utf8).ToArray();
        Scan(text, source, nullItems: true);
        return Guard(source, () => JsonNode.Parse(text, documentOptions: Documents)) as JsonObject ?? throw source.Bad(null, "holds no JSON object");
    }

    /// <inheritdoc cref="Object(ReadOnlySpan{byte}, JsonSource)"/>
    public static JsonObject Object(string text, JsonSource source) => Object(Bytes(text, source), source);

    /// <summary>A value of one of this library's own formats.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="source">Where it comes from.</param>
    /// <param name="options">Null for <see cref="Own"/>.</param>
    public static T Read<T>(ReadOnlySpan<byte> utf8, JsonSource source, JsonSerializerOptions? options = null)
    {
        var text = UntrustedFile.WithoutMark(utf8).ToArray();
        // What nullable annotations cannot say: that a list's items are there.
        Scan(text, source, nullItems: false);
        return Guard(source, () => JsonSerializer.Deserialize<T>(text, options ?? Own)) ?? throw source.Bad(null, "is null");
    }

    /// <inheritdoc cref="Read{T}(ReadOnlySpan{byte}, JsonSource, JsonSerializerOptions?)"/>
    public static T Read<T>(string text, JsonSource source, JsonSerializerOptions? options = null) => Read<T>(Bytes(text, source), source, options);

    /// <summary>A value out of an object that was read here.</summary>
    /// <param name="node">The value; null is refused.</param>
    /// <param name="source">Where it comes from.</param>
    /// <param name="options">Null for <see cref="Own"/>.</param>
    public static T Read<T>(JsonNode? node, JsonSource source, JsonSerializerOptions? options = null) =>
        Read<T>(Encoding.UTF8.GetBytes(node?.ToJsonString() ?? "null"), source, options);

    /// <summary>Tells whatever a reader meets in JSON's content as one kind of error.</summary>
    public static T Guard<T>(JsonSource source, Func<T> read)
    {
        try
        {
            return read();
        }
        // Those beside the first come from what converters and constructors find.
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException or FormatException or OverflowException or ArgumentException or KeyNotFoundException)
        {
            throw source.Bad((e as JsonException)?.Path, $"cannot be read ({e.Message.TrimEnd('.')})", e);
        }
    }

    private static byte[] Bytes(string text, JsonSource source)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(text);
        }
        catch (EncoderFallbackException e)
        {
            throw source.Bad(null, $"is no valid Unicode ({e.Message})", e);
        }
    }

    // What the parser leaves for later, when nobody expects it any more.
    private static void Scan(ReadOnlySpan<byte> utf8, JsonSource source, bool nullItems)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
        string? member = null;
        var inArray = new Stack<bool>();
        try
        {
            while (reader.Read())
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartObject or JsonTokenType.StartArray:
                        inArray.Push(reader.TokenType == JsonTokenType.StartArray);
                        break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        inArray.Pop();
                        break;
                    case JsonTokenType.PropertyName:
                        member = reader.GetString();
                        break;
                    case JsonTokenType.String when reader.ValueIsEscaped || reader.ValueSpan.ContainsAnyExceptInRange((byte)0, (byte)127):
                        _ = reader.GetString();
                        break;
                    case JsonTokenType.Number when !reader.TryGetDouble(out var number) || !(Math.Abs(number) <= float.MaxValue):
                        throw source.Bad(member, $"is {Encoding.UTF8.GetString(reader.ValueSpan[..Math.Min(40, reader.ValueSpan.Length)])}, a number beyond what a float holds");
                    case JsonTokenType.Null when !nullItems && inArray.TryPeek(out var list) && list:
                        throw source.Bad(member, "has a null in a list");
                    default:
                        break;
                }
        }
        catch (JsonException e)
        {
            throw source.Bad(null, $"is not valid JSON: {e.Message.TrimEnd('.')}", e);
        }
        catch (InvalidOperationException e)
        {
            throw source.Bad(member, $"holds text that is no valid Unicode ({e.Message.TrimEnd('.')})", e);
        }
    }
}

/// <summary>Where JSON comes from, for messages.</summary>
/// <param name="Name">The file, or what it is part of.</param>
/// <param name="Advice">What to do where it is damaged, as a sentence.</param>
internal sealed record JsonSource(string Name, string Advice)
{
    /// <summary>A file that someone else's program wrote.</summary>
    public static JsonSource File(string name) => new($"'{name}'", "Get the file again from where it came from.");

    /// <param name="member">The member, or null where the text as a whole is meant.</param>
    /// <param name="found">What is wrong with it.</param>
    /// <param name="inner">What found it.</param>
    public InvalidDataException Bad(string? member, string found, Exception? inner = null) =>
        new($"{Name} is damaged: {(string.IsNullOrEmpty(member) ? "it" : $"'{member}'")} {found}. {Advice}", inner);
}
