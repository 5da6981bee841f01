using System.Buffers;
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
    private const int LongestVarint = 10;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Bytes so far.</summary>
    public long Length => _bytes.WrittenCount;

    /// <summary>An int32, int64, bool or enum.</summary>
    public ProtobufMessage Integer(int field, long value)
    {
        Tag(field, Varints);
        Varint((ulong)value);
        return this;
    }

    /// <summary>A float.</summary>
    public ProtobufMessage Single(int field, float value)
    {
        Tag(field, Singles);
        BinaryPrimitives.WriteSingleLittleEndian(_bytes.GetSpan(sizeof(float)), value);
        _bytes.Advance(sizeof(float));
        return this;
    }

    /// <summary>A double.</summary>
    public ProtobufMessage Double(int field, double value)
    {
        Tag(field, Doubles);
        BinaryPrimitives.WriteDoubleLittleEndian(_bytes.GetSpan(sizeof(double)), value);
        _bytes.Advance(sizeof(double));
        return this;
    }

    /// <summary>A string.</summary>
    public ProtobufMessage Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    /// <summary>A message within this one.</summary>
    public ProtobufMessage Message(int field, ProtobufMessage value) => Bytes(field, value._bytes.WrittenSpan);

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    public void CopyTo(Stream stream) => stream.Write(_bytes.WrittenSpan);

    /// <summary>Begins a field of known length, such as a message too large to be held: the caller writes the bytes that follow.</summary>
    public static void Start(Stream stream, int field, long length)
    {
        Span<byte> head = stackalloc byte[2 * LongestVarint];
        int written = Encode(head, Key(field, Lengths));
        stream.Write(head[..(written + Encode(head[written..], (ulong)length))]);
    }

    /// <summary>The length of a field that <see cref="Start"/> begins, with its beginning.</summary>
    public static long FieldLength(int field, long length)
    {
        Span<byte> head = stackalloc byte[LongestVarint];
        return checked(Encode(head, Key(field, Lengths)) + Encode(head, (ulong)length) + length);
    }

    /// <summary>Bytes.</summary>
    public ProtobufMessage Bytes(int field, ReadOnlySpan<byte> value)
    {
        Tag(field, Lengths);
        Varint((ulong)value.Length);
        _bytes.Write(value);
        return this;
    }

    private void Tag(int field, int type) => Varint(Key(field, type));

    private void Varint(ulong value) => _bytes.Advance(Encode(_bytes.GetSpan(LongestVarint), value));

    private static ulong Key(int field, int type) => ((ulong)field << 3) | (uint)type;

    /// <summary>Seven bits a byte, the lowest first; the top bit says that more follow.</summary>
    private static int Encode(Span<byte> target, ulong value)
    {
        int length = 0;
        for (; value >= 0x80; value >>= 7)
            target[length++] = (byte)(value | 0x80);
        target[length++] = (byte)value;
        return length;
    }
}
