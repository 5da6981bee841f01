using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Reads what a <see cref="PartWriter"/> wrote, and refuses what is damaged, altered or newer.</summary>
internal static class PartReader
{
    /// <param name="stream">Seekable, at the beginning; it is read up to its end.</param>
    /// <param name="magic">Eight bytes that it begins with.</param>
    /// <param name="newest">The highest format version known.</param>
    /// <param name="what">What it holds, for messages.</param>
    /// <param name="parse">Reads the header.</param>
    /// <param name="partsOf">The header's list of parts.</param>
    /// <param name="limits">The parts that there may be, each with the most bytes that it may have.</param>
    /// <exception cref="InvalidDataException">It is damaged, or newer than this library.</exception>
    public static (T Header, Dictionary<string, byte[]> Parts) Read<T>(
        Stream stream, ReadOnlySpan<byte> magic, int newest, string what, HeaderParser<T> parse, Func<T, IReadOnlyList<ModelPart>> partsOf,
        Func<T, IReadOnlyDictionary<string, long>> limits)
    {
        long start = stream.Position;
        var prefix = Take(stream, ModelFormat.PrefixLength, "its beginning");
        if (!prefix.AsSpan(0, magic.Length).SequenceEqual(magic))
            throw Damaged($"it does not begin as {what}");
        var version = BinaryPrimitives.ReadInt32LittleEndian(prefix.AsSpan(8));
        if (version > newest)
            throw new InvalidDataException($"The model was saved by a newer version of Microsoft.ML.LoraInit: its format is {version}, this library reads up to {newest}. Update the package.");
        if (version < 1)
            throw Damaged($"it has the format version {version}");

        var offset = BinaryPrimitives.ReadInt64LittleEndian(prefix.AsSpan(12));
        var length = BinaryPrimitives.ReadInt32LittleEndian(prefix.AsSpan(20));
        if (offset < ModelFormat.PrefixLength || length is < 2 or > ModelFormat.MaxHeaderLength || offset > stream.Length - start - length)
            throw Damaged("it is cut off, or its beginning was changed");
        stream.Position = start + offset;
        var json = Take(stream, length, "its header");
        if (!SHA256.HashData(json).AsSpan().SequenceEqual(prefix.AsSpan(24, SHA256.HashSizeInBytes)))
            throw Damaged("its header does not have the SHA-256 that it should have");
        var header = parse(json);
        var listed = partsOf(header);
        Check(listed, limits(header), version);
        if (listed.Sum(p => p.Length) != offset - ModelFormat.PrefixLength || start + offset + length != stream.Length)
            throw Damaged("its parts do not fill it");

        stream.Position = start + ModelFormat.PrefixLength;
        var parts = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var part in listed)
        {
            var bytes = Take(stream, (int)part.Length, $"the part '{part.Name}'");
            if (Convert.ToHexStringLower(SHA256.HashData(bytes)) != part.Sha256)
                throw Damaged($"the part '{part.Name}' does not have the SHA-256 that it should have");
            parts.Add(part.Name, bytes);
        }
        return (header, parts);
    }

    /// <exception cref="InvalidDataException">It is not there.</exception>
    public static byte[] Part(Dictionary<string, byte[]> parts, string name) =>
        parts.TryGetValue(name, out var part) ? part : throw Damaged($"the part '{name}' is missing");

    // Before anything is read: what nobody asks for may be as large as it likes.
    private static void Check(IReadOnlyList<ModelPart> listed, IReadOnlyDictionary<string, long> limits, int version)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var part in listed)
        {
            if (!limits.TryGetValue(part.Name, out var limit))
                throw Damaged($"it has the part '{part.Name}', which a model of the format {version} does not have");
            if (part.Length < 0 || part.Length > limit)
                throw Damaged($"its part '{part.Name}' is said to have {part.Length:N0} bytes, and may have {limit:N0}");
            if (!seen.Add(part.Name))
                throw Damaged($"it has two parts '{part.Name}'");
        }
    }

    private static byte[] Take(Stream stream, int length, string what)
    {
        if (length > stream.Length - stream.Position)
            throw Damaged($"it is cut off within {what}");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static InvalidDataException Damaged(string how) => new($"The model file is damaged: {how}. Get or save the model again.");
}

/// <summary>Reads a header's JSON.</summary>
internal delegate T HeaderParser<T>(ReadOnlySpan<byte> json);
