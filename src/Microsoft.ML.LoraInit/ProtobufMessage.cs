using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A protocol-buffers message as it is put together, field after field, in the wire format (protobuf.dev: Encoding).
/// Schemas are few and small here, and what is large is streamed, which generated classes do not do.
/// </summary>
internal sealed class ProtobufMessage
{
    private const int Varints = 0, Doubles = 1, Lengths = 2, Singles = 5;

    private readonly MemoryStream _bytes = new();

    /// <summary>Bytes so far.</summary>
    public long Length => _bytes.Length;

    /// <summary>An int32, int64, bool or enum.</summary>
    public ProtobufMessage Integer(int field, long value)
    {
        Tag(_bytes, field, Varints);
        Varint(_bytes, (ulong)value);
        return this;
    }

    /// <summary>A float.</summary>
    public ProtobufMessage Single(int field, float value)
    {
        Tag(_bytes, field, Singles);
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>A double.</summary>
    public ProtobufMessage Double(int field, double value)
    {
        Tag(_bytes, field, Doubles);
        Span<byte> bytes = stackalloc byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>A string.</summary>
    public ProtobufMessage Text(int field, string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        Start(_bytes, field, bytes.Length);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>A message within this one.</summary>
    public ProtobufMessage Message(int field, ProtobufMessage value)
    {
        Start(_bytes, field, value.Length);
        value.CopyTo(_bytes);
        return this;
    }

    public byte[] ToArray() => _bytes.ToArray();

    public void CopyTo(Stream stream) => _bytes.WriteTo(stream);

    /// <summary>Begins a field of known length, such as a message too large to be held: the caller writes the bytes that follow.</summary>
    public static void Start(Stream stream, int field, long length)
    {
        Tag(stream, field, Lengths);
        Varint(stream, (ulong)length);
    }

    /// <summary>The length of a field that <see cref="Start"/> begins, with its beginning.</summary>
    public static long FieldLength(int field, long length) => checked(VarintLength((ulong)field << 3) + VarintLength((ulong)length) + length);

    private static void Tag(Stream stream, int field, int type) => Varint(stream, ((ulong)field << 3) | (uint)type);

    private static void Varint(Stream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }

    private static int VarintLength(ulong value)
    {
        int length = 1;
        for (; value >= 0x80; value >>= 7)
            length++;
        return length;
    }
}
