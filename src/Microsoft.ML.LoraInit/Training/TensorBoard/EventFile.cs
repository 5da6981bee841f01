using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

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
        Write(Start(0).Text(3, "brain.Event:2"));
    }

    public string Path { get; }

    /// <summary>Writes scalars of one step and hands them to the system, so that TensorBoard sees them as training goes on.</summary>
    public void Add(long step, IEnumerable<KeyValuePair<string, double>> scalars)
    {
        var summary = new ProtobufMessage();
        foreach (var (tag, value) in scalars)
            summary.Message(1, new ProtobufMessage().Text(1, tag).Single(2, (float)value));
        Write(Start(step).Message(5, summary));
    }

    /// <summary>
    /// Writes hyper-parameters as TensorBoard's HParams page reads them: a summary without a value whose metadata has a
    /// SessionStartInfo (tensorflow/tensorboard: plugins/hparams/plugin_data.proto and summary_v2.py).
    /// </summary>
    /// <param name="settings">Numbers, truth values, and anything else as text.</param>
    public void AddHyperParameters(IEnumerable<KeyValuePair<string, object>> settings)
    {
        var session = new ProtobufMessage();
        foreach (var (name, value) in settings)
            session.Message(1, new ProtobufMessage().Text(1, name).Message(2, HyperParameter(value)));
        session.Double(5, (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds);
        var plugin = new ProtobufMessage().Text(1, "hparams").Bytes(2, new ProtobufMessage().Message(3, session).ToArray());
        // An empty tensor of floats, as its own writer has it: what has no value is dropped by some readers.
        var nothing = new ProtobufMessage().Integer(1, 1).Message(2, new ProtobufMessage().Message(2, new ProtobufMessage()));
        var summary = new ProtobufMessage().Message(1, new ProtobufMessage()
            .Text(1, "_hparams_/session_start_info").Message(8, nothing).Message(9, new ProtobufMessage().Message(1, plugin)));
        Write(Start(0).Message(5, summary));
    }

    private static ProtobufMessage HyperParameter(object value) => value switch
    {
        bool yes => new ProtobufMessage().Integer(4, yes ? 1 : 0),
        int or long or float or double => new ProtobufMessage().Double(2, Convert.ToDouble(value, CultureInfo.InvariantCulture)),
        _ => new ProtobufMessage().Text(3, Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""),
    };

    public void Dispose() => _stream.Dispose();

    private static ProtobufMessage Start(long step) =>
        new ProtobufMessage().Double(1, (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds).Integer(2, step);

    private void Write(ProtobufMessage message)
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
}
