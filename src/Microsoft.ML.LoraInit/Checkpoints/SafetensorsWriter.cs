using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>Writes safetensors files. Equal tensors and metadata give equal bytes.</summary>
internal static class SafetensorsWriter
{
    /// <summary>Characters of a SHA-256 in hexadecimal.</summary>
    public const int ChecksumLength = 64;

    private const int BufferSize = 80_000;

    /// <summary>Writes a file as a whole or not at all (<see cref="AtomicFile"/>).</summary>
    /// <exception cref="ArgumentException">Two tensors have one name.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        AtomicFile.Write(path, stream => Write(stream, tensors, metadata));

    /// <summary>Writes a file as a whole or not at all, with the SHA-256 of its bytes in its metadata; <see cref="SafetensorsFile.CheckSum"/> checks it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="metadata">Other metadata.</param>
    /// <param name="key">The checksum's key in the metadata. The hash is that of the file with zeros in its place.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void WriteChecked(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string> metadata, string key) =>
        AtomicFile.Write(path, stream =>
        {
            var all = new Dictionary<string, string>(metadata, StringComparer.Ordinal) { [key] = new('0', ChecksumLength) };
            using var sha = SHA256.Create();
            using (var hashed = new CryptoStream(stream, sha, CryptoStreamMode.Write, leaveOpen: true))
                Write(hashed, tensors, all);
            var mark = Encoding.UTF8.GetBytes($"\"{key}\":\"");
            stream.Position = 0;
            var length = new byte[8];
            stream.ReadExactly(length);
            var header = new byte[BinaryPrimitives.ReadInt64LittleEndian(length)];
            stream.ReadExactly(header);
            stream.Position = length.Length + header.AsSpan().IndexOf(mark) + mark.Length;
            stream.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(sha.Hash!)));
        });

    /// <summary>Writes to a stream, which need not seek and stays open.</summary>
    /// <exception cref="ArgumentException">Two tensors have one name.</exception>
    public static void Write(Stream stream, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        // Wide types first, as the reference implementation orders them: each tensor is then aligned to its element size.
        var ordered = tensors
            .OrderByDescending(t => SafetensorsDType.Size(t.Value.dtype))
            .ThenBy(t => t.Key, StringComparer.Ordinal)
            .ToList();
        var header = Header(ordered, metadata);
        Span<byte> prefix = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);
        foreach (var (_, tensor) in ordered)
        {
            using var scope = NewDisposeScope();
            tensor.detach().cpu().contiguous().WriteBytesToStream(stream, BufferSize);
        }
    }

    private static byte[] Header(List<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
            long offset = 0;
            foreach (var (name, tensor) in tensors)
            {
                if (!names.Add(name))
                    throw new ArgumentException($"'{name}' cannot name {(name == "__metadata__" ? "a tensor" : "two tensors")} of one file.", nameof(tensors));
                long end = checked(offset + tensor.numel() * SafetensorsDType.Size(tensor.dtype));
                WriteEntry(json, name, tensor, offset, end);
                offset = end;
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        if (buffer.Length > SafetensorsHeader.MaxLength)
            throw new ArgumentException($"The header would have {buffer.Length:N0} bytes; the format's limit is {SafetensorsHeader.MaxLength:N0}.", nameof(tensors));
        return buffer.ToArray();
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null || metadata.Count == 0)
            return;
        json.WriteStartObject("__metadata__");
        foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, string name, Tensor tensor, long offset, long end)
    {
        json.WriteStartObject(name);
        json.WriteString("dtype", SafetensorsDType.Name(tensor.dtype));
        json.WriteStartArray("shape");
        foreach (var dimension in tensor.shape)
            json.WriteNumberValue(dimension);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
