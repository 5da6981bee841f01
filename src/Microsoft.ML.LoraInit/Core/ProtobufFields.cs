using System.Buffers.Binary;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// Reads the fields of a protocol-buffers message one after another (protobuf.dev: Encoding), from bytes of unknown origin: whatever does
/// not fit is refused, nothing is allocated for what is only said to be there.
/// </summary>
/// <param name="bytes">The message.</param>
/// <param name="name">What error messages call the file.</param>
internal ref struct ProtobufFields(ReadOnlySpan<byte> bytes, string name)
{
    private const int Varints = 0, Doubles = 1, Lengths = 2, Singles = 5;

    private ReadOnlySpan<byte> _rest = bytes;
    private int _type;

    /// <summary>The number of the field that <see cref="Next"/> went to.</summary>
    public int Field { get; private set; }

    /// <summary>The number that the field has: an integer, bool or enum, or the bits of a float.</summary>
    public long Value { get; private set; }

    /// <summary>What the field holds: a text, bytes or a message.</summary>
    public ReadOnlySpan<byte> Content { get; private set; }

    /// <summary>Goes to the next field; false at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are no such message.</exception>
    public bool Next()
    {
        if (_rest.IsEmpty)
            return false;
        ulong key = Varint();
        (Field, _type, Value) = ((int)Math.Min(key >> 3, int.MaxValue), (int)(key & 7), 0);
        Content = default;
        switch (_type)
        {
            case Varints:
                Value = (long)Varint();
                break;
            case Doubles:
                Value = BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)));
                break;
            case Lengths:
                ulong length = Varint();
                Content = Take(length <= int.MaxValue ? (int)length : int.MaxValue);
                break;
            case Singles:
                Value = BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));
                break;
            default:
                throw Bad($"has a field of the unknown type {_type}");
        }
        return Field > 0 ? true : throw Bad("has a field without a number");
    }

    /// <summary>The field as an integer, bool or enum.</summary>
    public readonly long Integer() => _type == Varints ? Value : throw Bad($"has no integer in field {Field}");

    /// <summary>The field as a float.</summary>
    public readonly float Single() => _type == Singles ? BitConverter.Int32BitsToSingle((int)Value) : throw Bad($"has no float in field {Field}");

    /// <summary>The field as a text, bytes or a message.</summary>
    public readonly ReadOnlySpan<byte> Bytes() => _type == Lengths ? Content : throw Bad($"has no text or message in field {Field}");

    public readonly InvalidDataException Bad(string found) => new($"'{name}' is damaged: it {found}. Get the file again from where it came from.");

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length > _rest.Length)
            throw Bad("is cut off");
        var taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte part = Take(1)[0];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
        throw Bad("has a number of more than 64 bits");
    }
}
