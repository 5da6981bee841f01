using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>
/// A safetensors file open for reading. Tensors of a path are read straight into their memory, piece by piece and with no
/// memory map, under which another process's truncation would end this one; an embedded resource is read where it lies;
/// other streams are read on demand if they can seek, else buffered once. Reading is thread-safe.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    /// <summary>Bytes that are read at a time: what another type or device costs beside the tensor, and less than a span's 2 GB.</summary>
    private const long Piece = 64 << 20;

    private readonly ISafetensorsBytes _bytes;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(string name, SafetensorsHeader header, ISafetensorsBytes bytes)
    {
        Name = name;
        _header = header;
        _bytes = bytes;
    }

    /// <summary>What error messages call the file.</summary>
    public string Name { get; }

    /// <summary>The tensors' names, in the order of their bytes.</summary>
    public IEnumerable<string> Names => _header.Entries.OrderBy(e => e.Value.Offset).Select(e => e.Key);

    /// <summary>The header's <c>__metadata__</c>; empty where it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens and checks a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a valid safetensors file, or no regular file.</exception>
    public static SafetensorsFile Open(string path)
    {
        UntrustedFile.CheckRegular(path);
        return Open(new SafetensorsDisk(path), path);
    }

    /// <summary>Opens and checks what a stream holds from its position to its end.</summary>
    /// <param name="stream">Taken over: it is disposed with this object, or at once if opening fails.</param>
    /// <param name="name">What error messages call it.</param>
    /// <exception cref="InvalidDataException">It is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(Stream stream, string name)
    {
        if (!stream.CanSeek)
        {
            var copy = new MemoryStream();
            using (stream)
                stream.CopyTo(copy);
            copy.Position = 0;
            stream = copy;
        }
        return Open(new SafetensorsStream(stream, name), name);
    }

    private static SafetensorsFile Open(ISafetensorsBytes bytes, string name)
    {
        try
        {
            return new SafetensorsFile(name, SafetensorsHeader.Read(bytes, name), bytes);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    public bool Contains(string name) => _header.Entries.ContainsKey(name);

    /// <summary>Type and shape of a tensor, without reading it.</summary>
    /// <exception cref="InvalidDataException">There is no tensor of that name.</exception>
    public (ScalarType DType, long[] Shape) Info(string name)
    {
        var entry = Find(name);
        return (entry.DType, [.. entry.Shape]);
    }

    /// <summary>Reads a tensor. It belongs to the caller's dispose scope.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="convertTo">The type wanted; null for the file's.</param>
    /// <param name="device">Where it is wanted; null for the CPU.</param>
    /// <param name="most">The largest magnitude allowed.</param>
    /// <exception cref="InvalidDataException">There is no tensor of that name, it holds numbers that are not finite, or the file changed since it was opened.</exception>
    public Tensor Read(string name, ScalarType? convertTo = null, Device? device = null, double most = double.MaxValue)
    {
        var entry = Find(name);
        using var scope = NewDisposeScope();
        var tensor = empty(entry.Shape, convertTo ?? entry.DType, device ?? CPU);
        // A byte other than 0 or 1 is no valid bool to libtorch, so bools are read as bytes and compared.
        var stored = entry.DType == ScalarType.Bool ? ScalarType.Byte : entry.DType;
        bool inPlace = tensor.dtype == stored && tensor.device_type == TorchSharp.DeviceType.CPU;
        using var flat = tensor.reshape(-1);
        int size = SafetensorsDType.Size(stored);
        for (long done = 0, count; done < flat.numel(); done += count)
        {
            using var pieceScope = NewDisposeScope();
            var part = flat.narrow(0, done, count = Math.Min(Piece / size, flat.numel() - done));
            var read = inPlace ? part : empty(count, stored);
            _bytes.Read(read.bytes, entry.Offset + (done * size));
            FiniteNumbers.Check(read, name, Name, most);
            if (!inPlace)
                part.copy_(entry.DType == ScalarType.Bool ? read.Ne(0) : read);
        }
        _bytes.CheckUnchanged();
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Tells the file from any other, and from itself after a change: path, length and time of the last writing.</summary>
    public string Stamp => _bytes.Stamp(Name);

    /// <summary>Whether the file still is what it was when it was opened.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public void CheckUnchanged() => _bytes.CheckUnchanged();

    /// <summary>Adds the whole file's bytes to a hash.</summary>
    /// <param name="hash">Gets them in their order.</param>
    /// <param name="cancellationToken">Looked at between pieces.</param>
    /// <param name="masked">A range of bytes, from the file's start, that counts as zeros (the character); empty for none.</param>
    /// <exception cref="InvalidDataException">The file changed since it was opened.</exception>
    public void AppendTo(IncrementalHash hash, CancellationToken cancellationToken, (long From, int Count) masked = default)
    {
        var piece = new byte[1 << 20];
        for (long position = 0; position < _bytes.Length; position += piece.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var part = piece.AsSpan(0, (int)Math.Min(piece.Length, _bytes.Length - position));
            _bytes.Read(part, position);
            for (int i = 0; i < masked.Count; i++)
                if (masked.From + i - position is >= 0 and var at && at < part.Length)
                    part[(int)at] = (byte)'0';
            hash.AppendData(part);
        }
        CheckUnchanged();
    }

    /// <summary>Checks the checksum that <see cref="SafetensorsWriter.WriteChecked"/> wrote.</summary>
    /// <param name="key">Its key in the metadata.</param>
    /// <exception cref="InvalidDataException">The file has none, or another one than its bytes.</exception>
    public void CheckSum(string key)
    {
        if (!Metadata.TryGetValue(key, out var expected))
            throw new InvalidDataException($"'{Name}' lacks its checksum '{key}'.");
        var header = new byte[(int)Math.Min(_bytes.Length, 8 + _header.Length)];
        _bytes.Read(header, 0);
        var mark = Encoding.UTF8.GetBytes($"\"{key}\":\"");
        int at = header.AsSpan().IndexOf(mark);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        AppendTo(hash, CancellationToken.None, at < 0 ? default : (at + mark.Length, SafetensorsWriter.ChecksumLength));
        if (Convert.ToHexStringLower(hash.GetHashAndReset()) != expected)
            throw new InvalidDataException($"'{Name}' does not have the checksum that it names: it was changed or damaged.");
    }

    public void Dispose() => _bytes.Dispose();

    private SafetensorsHeader.Entry Find(string name) =>
        _header.Entries.TryGetValue(name, out var entry)
            ? entry
            : throw new InvalidDataException($"'{Name}' has no tensor '{name}'.");
}
