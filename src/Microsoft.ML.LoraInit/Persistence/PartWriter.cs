using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Writes the layout that <see cref="ModelFormat"/> describes: parts one after another, then a header that lists them.</summary>
internal sealed class PartWriter
{
    private readonly Stream _stream;
    private readonly long _start;
    private readonly List<ModelPart> _parts = [];

    /// <param name="stream">Seekable; written from its position on.</param>
    public PartWriter(Stream stream)
    {
        _stream = stream;
        _start = stream.Position;
        stream.Write(new byte[ModelFormat.PrefixLength]);
    }

    /// <summary>The parts so far.</summary>
    public IReadOnlyList<ModelPart> Parts => _parts;

    /// <summary>Writes a part.</summary>
    public void Part(string name, Action<Stream> write)
    {
        long from = _stream.Position;
        using var sha = SHA256.Create();
        using (var hashed = new CryptoStream(_stream, sha, CryptoStreamMode.Write, leaveOpen: true))
            write(hashed);
        _parts.Add(new(name, _stream.Position - from, Convert.ToHexStringLower(sha.Hash!)));
    }

    /// <summary>Writes the header, and the beginning that says where it is.</summary>
    /// <param name="magic">Eight bytes.</param>
    /// <param name="version">Of the format.</param>
    /// <param name="header">JSON, with the list of <see cref="Parts"/>.</param>
    public void Finish(ReadOnlySpan<byte> magic, int version, byte[] header)
    {
        long offset = _stream.Position - _start;
        _stream.Write(header);
        long end = _stream.Position;
        _stream.Position = _start;
        _stream.Write(Prefix(magic, version, offset, header));
        _stream.Position = end;
    }

    private static byte[] Prefix(ReadOnlySpan<byte> magic, int version, long headerOffset, byte[] header)
    {
        var prefix = new byte[ModelFormat.PrefixLength];
        magic.CopyTo(prefix);
        BinaryPrimitives.WriteInt32LittleEndian(prefix.AsSpan(8), version);
        BinaryPrimitives.WriteInt64LittleEndian(prefix.AsSpan(12), headerOffset);
        BinaryPrimitives.WriteInt32LittleEndian(prefix.AsSpan(20), header.Length);
        SHA256.HashData(header, prefix.AsSpan(24));
        return prefix;
    }
}
