using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>Spoils one of some files: by its structure where its name tells it, or as bytes.</summary>
internal static class Mutator
{
    private const int ByteKinds = 8;

    /// <param name="files">What to spoil a copy of.</param>
    /// <param name="random">Decides all.</param>
    /// <param name="donors">Other files, for pieces.</param>
    public static Dictionary<string, byte[]> Mutate(
        IReadOnlyDictionary<string, byte[]> files, SeededRandom random, IReadOnlyList<IReadOnlyDictionary<string, byte[]>> donors)
    {
        var result = new Dictionary<string, byte[]>(files, StringComparer.Ordinal);
        for (int i = 1 + random.Next(2); i > 0; i--)
        {
            var name = result.Keys.Order(StringComparer.Ordinal).ElementAt(random.Next(result.Count));
            var other = donors[random.Next(donors.Count)];
            result[name] = Content(name, result[name], other.Values.ElementAt(random.Next(other.Count)), random);
        }
        return result;
    }

    private static byte[] Content(string name, byte[] content, byte[] donor, SeededRandom random)
    {
        if (random.Next(4) == 0)
            return Bytes(content, donor, random);
        if (name.EndsWith(".json", StringComparison.Ordinal))
            return JsonMutator.Mutate(content, random);
        return name.EndsWith(".safetensors", StringComparison.Ordinal) ? Safetensors(content, donor, random) : Bytes(content, donor, random);
    }

    // The header with its length made right, or the numbers after it.
    private static byte[] Safetensors(byte[] content, byte[] donor, SeededRandom random)
    {
        if (content.Length < 8 || BinaryPrimitives.ReadInt64LittleEndian(content) is var length && (length < 0 || length > content.Length - 8))
            return Bytes(content, donor, random);
        var (header, data) = (content[8..(8 + (int)length)], content[(8 + (int)length)..]);
        if (random.Next(2) == 0)
            header = JsonMutator.Mutate(header, random);
        else
            data = random.Next(2) == 0 ? Numbers(data, random) : Bytes(data, donor, random);
        var prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        return [.. prefix, .. header, .. data];
    }

    private static byte[] Numbers(byte[] data, SeededRandom random)
    {
        if (data.Length < 4)
            return data;
        float[] values = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, 1e30f, -1e20f, 1e10f, float.Epsilon, 0f, -1f];
        var result = (byte[])data.Clone();
        var place = result.AsSpan(random.Next(data.Length / 4) * 4);
        BinaryPrimitives.WriteSingleLittleEndian(place, random.Next(2) == 0 ? values[random.Next(values.Length)] : BinaryPrimitives.ReadSingleLittleEndian(place) * (random.Next(64) - 32));
        return result;
    }

    private static byte[] Bytes(byte[] content, byte[] donor, SeededRandom random)
    {
        if (content.Length == 0)
            return [.. donor.AsSpan(0, random.Next(donor.Length + 1))];
        int at = random.Next(content.Length), count = 1 + random.Next(Math.Min(64, content.Length - at));
        var result = (byte[])content.Clone();
        switch (random.Next(ByteKinds))
        {
            case 0:
                result[at] ^= (byte)(1 << random.Next(8));
                return result;
            case 1:
                return result[..at];
            case 2:
                return [.. result[..at], .. result[(at + count)..]];
            case 3:
                return [.. result[..at], .. result.AsSpan(at, count), .. result[at..]];
            case 4:
                int from = random.Next(donor.Length + 1);
                return [.. result[..at], .. donor.AsSpan(from, Math.Min(count, donor.Length - from)), .. result[at..]];
            case 5:
                if (at <= result.Length - 4)
                    BinaryPrimitives.WriteInt32LittleEndian(result.AsSpan(at), Odd(random));
                return result;
            case 6:
                result.AsSpan(at, count).Fill((byte)random.Next(256));
                return result;
            default:
                return [.. result, .. Encoding.UTF8.GetBytes(new string('\0', count))];
        }
    }

    private static int Odd(SeededRandom random)
    {
        int[] values = [0, 1, -1, int.MaxValue, int.MinValue, 255, 65_536, 1 << 30, 100_000_001];
        return values[random.Next(values.Length)];
    }
}
