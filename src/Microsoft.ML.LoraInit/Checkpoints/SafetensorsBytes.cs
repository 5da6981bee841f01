using Microsoft.ML.LoraInit.Core;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>The bytes of a safetensors file, by position. Thread-safe.</summary>
internal interface ISafetensorsBytes : IDisposable
{
    /// <summary>Their number.</summary>
    long Length { get; }

    /// <summary>Fills a span.</summary>
    /// <exception cref="InvalidDataException">There are no longer so many.</exception>
    void Read(Span<byte> into, long position);

    /// <summary>What is different for each file and each of its changes.</summary>
    string Stamp(string name);

    /// <exception cref="InvalidDataException">The file has changed since it was opened.</exception>
    void CheckUnchanged();
}

/// <summary>A file on a disk.</summary>
internal sealed class SafetensorsDisk : ISafetensorsBytes
{
    private readonly string _path;
    private readonly SafeFileHandle _handle;
    private readonly DateTime _written;

    public SafetensorsDisk(string path)
    {
        _path = path;
        // Who replaces the file by another may; this one stays as it is for those who have it open.
        _handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            Length = RandomAccess.GetLength(_handle);
            _written = File.GetLastWriteTimeUtc(_handle);
        }
        catch
        {
            _handle.Dispose();
            throw;
        }
    }

    public long Length { get; }

    public void Read(Span<byte> into, long position)
    {
        while (into.Length > 0)
        {
            int count = RandomAccess.Read(_handle, into, position);
            if (count == 0)
                throw Changed("became shorter");
            into = into[count..];
            position += count;
        }
    }

    // Of the file itself, not of a link that points at it.
    public string Stamp(string name) => $"{Path.GetFullPath(FileKind.Target(_path))}:{Length}:{_written.Ticks}";

    public void CheckUnchanged()
    {
        if (RandomAccess.GetLength(_handle) != Length || File.GetLastWriteTimeUtc(_handle) != _written)
            throw Changed("was changed");
    }

    public void Dispose() => _handle.Dispose();

    private InvalidDataException Changed(string how) =>
        new($"'{_path}' {how} while it was read. Read it again when nobody writes to it; who replaces such a file should write another and move it over this one.");
}

/// <summary>A stream from its position to its end.</summary>
internal sealed class SafetensorsStream : ISafetensorsBytes
{
    private readonly Stream _stream;
    private readonly string _name;
    private readonly long _start;
    private readonly Guid _identity = Guid.NewGuid();
    private readonly Lock _gate = new();

    /// <param name="stream">Seekable; taken over.</param>
    /// <param name="name">What error messages call it.</param>
    public SafetensorsStream(Stream stream, string name)
    {
        (_stream, _name, _start) = (stream, name, stream.Position);
        Length = stream.Length - _start;
    }

    public long Length { get; }

    public unsafe void Read(Span<byte> into, long position)
    {
        // An embedded resource lies in memory already, for all threads at once.
        if (_stream is UnmanagedMemoryStream memory)
        {
            byte* first;
            lock (_gate)
            {
                memory.Position = _start;
                first = memory.PositionPointer;
            }
            new ReadOnlySpan<byte>(first + position, into.Length).CopyTo(into);
            return;
        }
        lock (_gate)
        {
            _stream.Position = _start + position;
            if (_stream.ReadAtLeast(into, into.Length, throwOnEndOfStream: false) < into.Length)
                throw new InvalidDataException($"'{_name}' became shorter while it was read.");
        }
    }

    public string Stamp(string name) => $"{name}:{_identity}";

    public void CheckUnchanged()
    {
    }

    public void Dispose() => _stream.Dispose();
}
