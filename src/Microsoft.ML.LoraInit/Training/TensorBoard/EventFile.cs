using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Microsoft.ML.LoraInit.Training.TensorBoard;

/// <summary>
/// A TensorBoard event file: TFRecords (length, its checksum, bytes, their checksum) that each hold one Event message
/// with scalars (tensorflow/tensorboard: event.proto, summary.proto; tensorflow: record_writer). TorchSharp's own writer
/// opens the file anew for every number.
/// </summary>
internal sealed class EventFile : IDisposable
{
    private const uint ChecksumMask = 0xa282ead8;
    private readonly FileStream _stream;

    public EventFile(string directory)
    {
        Directory.CreateDirectory(directory);
        var seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Path = System.IO.Path.Combine(directory, string.Create(CultureInfo.InvariantCulture,
            $"events.out.tfevents.{seconds:0000000000}.{Environment.MachineName}.{Environment.ProcessId}.{Guid.NewGuid():N}"));
        _stream = new FileStream(Path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
        using var message = Start(0);
        Text(message, field: 3, "brain.Event:2");
        Write(message);
    }

    public string Path { get; }

    /// <summary>Writes scalars of one step and hands them to the system, so that TensorBoard sees them as training goes on.</summary>
    public void Add(long step, IEnumerable<KeyValuePair<string, double>> scalars)
    {
        using var summary = new MemoryStream();
        var single = new byte[sizeof(float)];
        foreach (var (tag, value) in scalars)
        {
            using var entry = new MemoryStream();
            Text(entry, field: 1, tag);
            entry.WriteByte((2 << 3) | 5);
            BinaryPrimitives.WriteSingleLittleEndian(single, (float)value);
            entry.Write(single);
            Bytes(summary, field: 1, entry.ToArray());
        }
        using var message = Start(step);
        Bytes(message, field: 5, summary.ToArray());
        Write(message);
    }

    public void Dispose() => _stream.Dispose();

    private static MemoryStream Start(long step)
    {
        var message = new MemoryStream();
        message.WriteByte((1 << 3) | 1);
        Span<byte> time = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(time, (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds);
        message.Write(time);
        message.WriteByte(2 << 3);
        Varint(message, (ulong)step);
        return message;
    }

    private void Write(MemoryStream message)
    {
        var bytes = message.ToArray();
        var record = new byte[bytes.Length + 16];
        BinaryPrimitives.WriteInt64LittleEndian(record, bytes.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), Checksum(record.AsSpan(0, 8)));
        bytes.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + bytes.Length), Checksum(bytes));
        _stream.Write(record);
        _stream.Flush();
    }

    /// <summary>CRC-32C, rotated and offset as TFRecord asks.</summary>
    internal static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = ~0u;
        foreach (var b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        return BitOperations.RotateRight(~crc, 15) + ChecksumMask;
    }

    private static void Text(Stream stream, int field, string text) => Bytes(stream, field, Encoding.UTF8.GetBytes(text));

    private static void Bytes(Stream stream, int field, byte[] bytes)
    {
        stream.WriteByte((byte)((field << 3) | 2));
        Varint(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Varint(Stream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }
}
