using System.Buffers.Binary;
using System.Text.Json;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>
/// What a safetensors file says about itself: an 8-byte little-endian length, then a JSON object of that length, then
/// the tensors' bytes. The files come from anywhere, so everything is checked before a byte is believed; the rules are
/// those of the format's reference implementation (huggingface/safetensors).
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The longest header accepted, as in the reference implementation.</summary>
    public const long MaxLength = 100_000_000;

    private const int MaxDimensions = 32;
    private const string Advice = "Get or make the safetensors file again.";

    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    /// <summary>One tensor.</summary>
    /// <param name="DType">Element type.</param>
    /// <param name="Shape">Dimensions; none for a scalar.</param>
    /// <param name="Offset">Where its bytes begin, from the start of the file.</param>
    /// <param name="Length">Number of bytes.</param>
    public sealed record Entry(ScalarType DType, long[] Shape, long Offset, long Length);

    public IReadOnlyDictionary<string, Entry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Bytes of the JSON.</summary>
    public long Length { get; private init; }

    /// <param name="bytes">The file.</param>
    /// <param name="name">What error messages call it.</param>
    /// <exception cref="InvalidDataException">The file is not a valid safetensors file.</exception>
    public static SafetensorsHeader Read(ISafetensorsBytes bytes, string name)
    {
        long fileLength = bytes.Length;
        if (fileLength < 8)
            throw Invalid(name, $"it has {fileLength} bytes, fewer than the 8 of the header's length (truncated?)");
        Span<byte> prefix = stackalloc byte[8];
        bytes.Read(prefix, 0);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength)
            throw Invalid(name, $"its header claims {length:N0} bytes; the limit is {MaxLength:N0} (is it a safetensors file?)");
        if ((long)length > fileLength - 8)
            throw Invalid(name, $"its header claims {length:N0} bytes, but the file has only {fileLength:N0} (truncated?)");
        var json = new byte[(int)length];
        bytes.Read(json, 8);

        var header = new SafetensorsHeader { Length = (long)length };
        using (var document = UntrustedJson.Document(json, new($"'{name}' is not a valid safetensors file: its header", Advice)))
            header.Fill(document.RootElement, 8 + (long)length, name);
        bytes.CheckUnchanged();
        header.CheckLayout(8 + (long)length, fileLength, name);
        return header;
    }

    private void Fill(JsonElement root, long dataStart, string name)
    {
        foreach (var property in root.EnumerateObject())
            if (property.Name == "__metadata__")
                FillMetadata(property.Value, name);
            else
                _entries.Add(property.Name, ReadEntry(property.Name, property.Value, dataStart, name));
    }

    private void FillMetadata(JsonElement value, string name)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Invalid(name, "'__metadata__' is not an object");
        foreach (var property in value.EnumerateObject())
            _metadata.Add(property.Name, property.Value.ValueKind == JsonValueKind.String
                ? property.Value.GetString()!
                : throw Invalid(name, $"'__metadata__' has a value that is not a string: '{property.Name}'"));
    }

    private static Entry ReadEntry(string tensor, JsonElement value, long dataStart, string name)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Invalid(name, $"the entry of '{tensor}' is not an object");
        if (!value.TryGetProperty("dtype", out var dtypeElement) || dtypeElement.ValueKind != JsonValueKind.String)
            throw Invalid(name, $"'{tensor}' has no 'dtype'");
        var dtypeName = dtypeElement.GetString()!;
        if (!SafetensorsDType.TryParse(dtypeName, out var dtype))
            throw Invalid(name, $"'{tensor}' has the dtype '{dtypeName}'; supported are {SafetensorsDType.Names}");
        var shape = Integers(value, "shape", tensor, name);
        if (shape.Length > MaxDimensions)
            throw Invalid(name, $"'{tensor}' has {shape.Length} dimensions; the limit is {MaxDimensions}");
        var offsets = Integers(value, "data_offsets", tensor, name);
        if (offsets.Length != 2 || offsets[0] > offsets[1] || offsets[1] > long.MaxValue - dataStart)
            throw Invalid(name, $"'{tensor}' has the data_offsets [{string.Join(", ", offsets)}]; two rising numbers are expected");

        long bytes;
        try
        {
            // Strides overflow even where another dimension is zero, so zeros count as ones in the check.
            _ = shape.Aggregate((long)SafetensorsDType.Size(dtype), (product, d) => checked(product * Math.Max(d, 1)));
            bytes = shape.Aggregate((long)SafetensorsDType.Size(dtype), (product, d) => product * d);
        }
        catch (OverflowException)
        {
            throw Invalid(name, $"'{tensor}' has the shape [{string.Join(", ", shape)}], which is too large");
        }
        if (bytes != offsets[1] - offsets[0])
            throw Invalid(name, $"'{tensor}' of shape [{string.Join(", ", shape)}] and dtype {dtypeName} needs {bytes:N0} bytes, but its data_offsets span {offsets[1] - offsets[0]:N0}");
        return new Entry(dtype, shape, dataStart + offsets[0], bytes);
    }

    private static long[] Integers(JsonElement entry, string key, string tensor, string name)
    {
        if (!entry.TryGetProperty(key, out var array) || array.ValueKind != JsonValueKind.Array)
            throw Invalid(name, $"'{tensor}' has no '{key}' array");
        var values = new long[array.GetArrayLength()];
        int i = 0;
        foreach (var item in array.EnumerateArray())
            values[i++] = item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out var number) && number >= 0
                ? number
                : throw Invalid(name, $"'{tensor}' has '{item.GetRawText()}' in '{key}'; whole numbers from 0 are expected");
        return values;
    }

    // No overlap, no hole, no rest: each tensor begins where the one before it ends, and the last ends with the file.
    private void CheckLayout(long dataStart, long fileLength, string name)
    {
        long position = dataStart;
        foreach (var (tensor, entry) in _entries.OrderBy(e => e.Value.Offset).ThenBy(e => e.Value.Length))
        {
            if (entry.Offset != position)
                throw Invalid(name, $"the bytes of '{tensor}' begin at {entry.Offset - dataStart:N0} of the data instead of {position - dataStart:N0}, so tensors {(entry.Offset < position ? "overlap" : "leave a hole")}");
            position += entry.Length;
            if (position > fileLength)
                throw Invalid(name, $"the bytes of '{tensor}' end at {position:N0}, but the file has only {fileLength:N0} (truncated?)");
        }
        if (position != fileLength)
            throw Invalid(name, $"its tensors end at byte {position:N0}, but the file has {fileLength:N0}");
    }

    private static InvalidDataException Invalid(string name, string why, Exception? inner = null) =>
        new($"'{name}' is not a valid safetensors file: {why}.", inner);
}
