using System.Text;
using Microsoft.ML.LoraInit.Training.TensorBoard;

namespace Microsoft.ML.LoraInit.Tests.Training.TensorBoard;

[TestClass]
public class TensorBoardProgressTests
{
    [TestMethod]
    public void TheChecksumIsTheOneOfTfRecords()
    {
        // CRC-32C of "123456789" is e3069283 (RFC 3720, B.4 and the polynomial's check value); masked as in tensorflow's crc32c.h.
        uint crc = 0xe3069283;
        Assert.AreEqual(((crc >> 15) | (crc << 17)) + 0xa282ead8, EventFile.Checksum("123456789"u8));
    }

    [TestMethod]
    public void RecordsHoldVersionThenScalars()
    {
        using var folder = new TemporaryFolder();
        var heard = new List<TrainingProgress>();
        string path;
        using (var board = new TensorBoardProgress(folder.Path, new Listener(heard)))
        {
            path = board.FilePath;
            board.Report(new() { Phase = TrainingPhase.Initializing, Message = "x" });
            board.Report(new() { Phase = TrainingPhase.Training, Epoch = 1, Step = 300, Loss = 0.5, LearningRate = 1e-3, SamplesPerSecond = 100 });
            board.Report(new() { Phase = TrainingPhase.Training, Epoch = 1, Step = 310, Loss = 0.25, Message = "Epoch 1", Metric = 0.75, MetricName = "accuracy" });
            board.Report(new() { Phase = TrainingPhase.Training, Epoch = 2, Step = 310, Metric = 0.75, MetricName = "accuracy" });
        }
        Assert.AreEqual(4, heard.Count);
        StringAssert.StartsWith(Path.GetFileName(path), "events.out.tfevents.");

        var records = Records(File.ReadAllBytes(path));
        Assert.AreEqual(4, records.Count);
        StringAssert.Contains(Encoding.Latin1.GetString(records[0]), "brain.Event:2");
        var first = Event(records[1]);
        Assert.AreEqual(300L, first.Step);
        CollectionAssert.AreEqual(new[] { "train/loss", "train/learning_rate", "train/rows_per_second" }, first.Scalars.Select(s => s.Tag).ToArray());
        CollectionAssert.AreEqual(new[] { 0.5f, 1e-3f, 100f }, first.Scalars.Select(s => s.Value).ToArray());
        var epoch = Event(records[3]);
        Assert.AreEqual(1L, epoch.Step);
        CollectionAssert.AreEqual(new[] { ("epoch/loss", 0.25f), ("validation/accuracy", 0.75f) }, epoch.Scalars.ToArray());
    }

    [TestMethod]
    public void HyperParametersAreASessionsStart()
    {
        using var folder = new TemporaryFolder();
        string path;
        using (var board = new TensorBoardProgress(folder.Path))
        {
            path = board.FilePath;
            board.AddHyperParameters([new("rank", 8), new("dora", true), new("init", "pissa")]);
        }
        var record = Records(File.ReadAllBytes(path))[1];
        var text = Encoding.Latin1.GetString(record);
        foreach (var expected in (string[])["_hparams_/session_start_info", "hparams", "\u000A\u0004rank\u0012\u0009\u0011" + Encoding.Latin1.GetString(BitConverter.GetBytes(8.0)), "\u000A\u0004dora\u0012\u0002 \u0001", "\u000A\u0004init\u0012\u0007\u001A\u0005pissa"])
            StringAssert.Contains(text, expected);
    }

    /// <summary>Reads TFRecords and refuses a wrong length, checksum or rest.</summary>
    private static List<byte[]> Records(byte[] file)
    {
        var records = new List<byte[]>();
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BitConverter.ToInt64(file, at);
            Assert.AreEqual(EventFile.Checksum(file.AsSpan(at, 8)), BitConverter.ToUInt32(file, at + 8));
            var record = file[(at + 12)..(at + 12 + length)];
            Assert.AreEqual(EventFile.Checksum(record), BitConverter.ToUInt32(file, at + 12 + length));
            records.Add(record);
            at += 16 + length;
        }
        return records;
    }

    private static (long Step, List<(string Tag, float Value)> Scalars) Event(byte[] message)
    {
        long step = 0;
        var scalars = new List<(string, float)>();
        foreach (var (field, value) in Fields(message))
        {
            if (field == 2)
                step = (long)(ulong)value;
            if (field == 5)
            {
                foreach (var (_, entry) in Fields((byte[])value))
                {
                    var parts = Fields((byte[])entry).ToDictionary(f => f.Field, f => f.Value);
                    scalars.Add((Encoding.UTF8.GetString((byte[])parts[1]), (float)parts[2]));
                }
            }
        }
        return (step, scalars);
    }

    private static IEnumerable<(int Field, object Value)> Fields(byte[] message)
    {
        for (var at = 0; at < message.Length;)
        {
            var key = message[at++];
            switch (key & 7)
            {
                case 0:
                    yield return (key >> 3, Varint(message, ref at));
                    break;
                case 1:
                    yield return (key >> 3, BitConverter.ToDouble(message, at));
                    at += 8;
                    break;
                case 2:
                    var length = (int)Varint(message, ref at);
                    yield return (key >> 3, message[at..(at + length)]);
                    at += length;
                    break;
                default:
                    yield return (key >> 3, BitConverter.ToSingle(message, at));
                    at += 4;
                    break;
            }
        }
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            value |= (ulong)(message[at] & 0x7f) << shift;
            if (message[at++] < 0x80)
                return value;
        }
    }

    private sealed class Listener(List<TrainingProgress> heard) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => heard.Add(value);
    }
}
