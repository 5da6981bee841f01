using System.IO.MemoryMappedFiles;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>
/// A safetensors file open for reading. A path is memory-mapped and an embedded resource is read where it lies; other
/// streams are read on demand if they can seek, else buffered once. Reading is thread-safe.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    // Below the large-object heap's threshold; TorchSharp allocates one per tensor.
    private const int BufferSize = 80_000;

    private readonly Func<long, long, Stream> _section;
    private readonly IDisposable? _owned;
    private readonly object? _gate;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(string name, SafetensorsHeader header, Func<long, long, Stream> section, IDisposable? owned, object? gate = null)
    {
        Name = name;
        _header = header;
        _section = section;
        _owned = owned;
        _gate = gate;
    }

    /// <summary>What error messages call the file.</summary>
    public string Name { get; }

    /// <summary>The tensors' names, in the order of their bytes.</summary>
    public IEnumerable<string> Names => _header.Entries.OrderBy(e => e.Value.Offset).Select(e => e.Key);

    /// <summary>The header's <c>__metadata__</c>; empty where it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens and checks a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        try
        {
            var header = SafetensorsHeader.Read(stream, stream.Length, path);
            var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            return new SafetensorsFile(path, header, (offset, count) => map.CreateViewStream(offset, count, MemoryMappedFileAccess.Read), map);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Opens and checks what a stream holds from its position to its end.</summary>
    /// <param name="stream">Taken over: it is disposed with this object, or at once if opening fails.</param>
    /// <param name="name">What error messages call it.</param>
    /// <exception cref="InvalidDataException">It is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(Stream stream, string name)
    {
        try
        {
            if (!stream.CanSeek)
            {
                var copy = new MemoryStream();
                using (stream)
                    stream.CopyTo(copy);
                copy.Position = 0;
                stream = copy;
            }
            long start = stream.Position;
            var header = SafetensorsHeader.Read(stream, stream.Length - start, name);
            return stream is UnmanagedMemoryStream memory
                ? new SafetensorsFile(name, header, InMemory(memory, start), memory)
                : new SafetensorsFile(name, header, (offset, _) => Seek(stream, start + offset), stream, gate: new object());
        }
        catch
        {
            stream.Dispose();
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
    /// <exception cref="InvalidDataException">There is no tensor of that name.</exception>
    public Tensor Read(string name, ScalarType? convertTo = null, Device? device = null)
    {
        var entry = Find(name);
        using var scope = NewDisposeScope();
        // A byte other than 0 or 1 is no valid bool to libtorch, so bools are read as bytes and compared.
        var stored = entry.DType == ScalarType.Bool ? ScalarType.Byte : entry.DType;
        var tensor = empty(entry.Shape, stored);
        ReadBytes(entry, tensor);
        if (entry.DType == ScalarType.Bool)
            tensor = tensor.ne(0);
        if (convertTo is { } type && type != tensor.dtype)
            tensor = tensor.to(type);
        if (device is not null && device.type != TorchSharp.DeviceType.CPU)
            tensor = tensor.to(device);
        return tensor.MoveToOuterDisposeScope();
    }

    public void Dispose() => _owned?.Dispose();

    private void ReadBytes(SafetensorsHeader.Entry entry, Tensor tensor)
    {
        // A view of no bytes would be one to the end of the file.
        if (entry.Length == 0)
            return;
        if (_gate is null)
        {
            using var section = _section(entry.Offset, entry.Length);
            tensor.ReadBytesFromStream(section, BufferSize);
            return;
        }
        lock (_gate)
            tensor.ReadBytesFromStream(_section(entry.Offset, entry.Length), BufferSize);
    }

    private SafetensorsHeader.Entry Find(string name) =>
        _header.Entries.TryGetValue(name, out var entry)
            ? entry
            : throw new InvalidDataException($"'{Name}' has no tensor '{name}'.");

    private static Stream Seek(Stream stream, long position)
    {
        stream.Position = position;
        return stream;
    }

    private static unsafe Func<long, long, Stream> InMemory(UnmanagedMemoryStream memory, long start)
    {
        memory.Position = start;
        var pointer = (nint)memory.PositionPointer;
        return (offset, count) =>
        {
            ObjectDisposedException.ThrowIf(!memory.CanRead, memory);
            return new UnmanagedMemoryStream((byte*)pointer + offset, count);
        };
    }
}
