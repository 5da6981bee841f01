using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Adapters.Fusion;

/// <summary>
/// Sources as text and in files. Those still to be read are their paths with <c>+</c> between them, a name of its own before <c>=</c>, as a command
/// line has them: <c>sst2.mlnet+rte=models/rte-3.mlnet</c>. Those of a trained model are a list of name, size, skip and hash.
/// </summary>
internal sealed class FusionSourcesJson : JsonConverter<IReadOnlyList<FusionSource>>
{
    private const string Reserved = "+=,;";

    public override IReadOnlyList<FusionSource> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
            return [.. reader.GetString()!.Split('+', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(OfText)];
        var stored = JsonSerializer.Deserialize<Stored[]>(ref reader, options) ?? throw new JsonException("The sources are null.");
        return [.. stored.Select(OfStored)];
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<FusionSource> value, JsonSerializerOptions options)
    {
        if (value.All(s => s.Path is { } path && !path.Any(Reserved.Contains) && !s.Name.Any(Reserved.Contains)))
            writer.WriteStringValue(string.Join('+', value.Select(s => s.Equals(FusionSource.FromFile(s.Path!)) ? s.Path! : $"{s.Name}={s.Path}")));
        else
            JsonSerializer.Serialize(writer, value.Select(s => new Stored(s.Name, s.Path, s.Size, s.Skip, s.Sha256)).ToArray(), options);
    }

    private static FusionSource OfText(string text) => text.Split('=', 2, StringSplitOptions.TrimEntries) switch
    {
        [var name, var path] when name.Length > 0 && path.Length > 0 => FusionSource.FromFile(path, name),
        [var path] when Path.GetFileNameWithoutExtension(path).Length > 0 => FusionSource.FromFile(path),
        _ => throw new JsonException($"'{text}' is no source: write the path of a saved model, or name=path."),
    };

    private static FusionSource OfStored(Stored source)
    {
        if (string.IsNullOrWhiteSpace(source.Name))
            throw new JsonException("A source has no name.");
        if (source.Path is { Length: > 0 } path)
            return FusionSource.FromFile(path, source.Name);
        if (source is not { Size: >= 1, Skip: >= 0, Sha256.Length: 64 })
            throw new JsonException($"The source '{source.Name}' lacks its size, skip or SHA-256, or has no path.");
        return new(source.Name) { Size = source.Size, Skip = source.Skip, Sha256 = source.Sha256 };
    }

    private sealed record Stored(
        string Name,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Path,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Size,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Skip,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Sha256);
}
