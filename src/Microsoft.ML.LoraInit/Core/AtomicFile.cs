using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit;

/// <summary>Writes a file so that its path holds either the old content or the whole new content, never a part.</summary>
/// <remarks>
/// A link is followed and stays one: what it points at is replaced. The old file's mode is kept. What is no regular file
/// (<c>/dev/stdout</c>, a pipe) cannot be replaced: it gets the content once that is complete.
/// </remarks>
public static class AtomicFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int LongestStem = 200;
    private static readonly TimeSpan OrphanAge = TimeSpan.FromMinutes(1);

    /// <summary>Writes through a temporary file in the same folder, flushed to the disk and then moved over the path.</summary>
    /// <param name="path">The file; replaced where it exists. Its folder must exist.</param>
    /// <param name="write">Writes the content to a stream that seeks. Where it throws, the path is left as it was.</param>
    /// <exception cref="IOException">The file cannot be written (no space, no such folder); the message names the path.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        if (FileKind.IsSpecial(path))
            WriteThrough(path, write);
        else
            Replace(Place(path), write);
    }

    /// <summary>Refuses a place that cannot be written to, before the work whose result is to lie there. Nothing is left behind.</summary>
    /// <param name="path">The file, which need not exist.</param>
    /// <exception cref="IOException">It is a folder, its folder does not exist, or nothing can be written there.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to; the message names the path.</exception>
    public static void Check(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            throw new IOException($"'{path}' is a folder, not a file.");
        if (FileKind.IsSpecial(path))
            return;
        path = Place(path);
        var temporary = Temporary(path);
        try
        {
            new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose();
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UnauthorizedAccessException($"'{path}' cannot be written: its folder allows no new files.", e);
        }
        catch (IOException e)
        {
            throw new IOException($"'{path}' cannot be written: {e.Message}", e) { HResult = e.HResult };
        }
    }

    /// <summary>Deletes what killed processes left of a file's writing. Others may not be writing it.</summary>
    internal static void DeleteOrphans(string path, TimeSpan age = default)
    {
        // Not by a pattern: a name may have stars.
        var (begin, end) = ($".{Stem(path)}.", ".tmp");
        foreach (var orphan in Directory.EnumerateFiles(Path.GetDirectoryName(path)!, ".*.tmp"))
        {
            var name = Path.GetFileName(orphan);
            if (name.Length <= begin.Length + end.Length || !name.StartsWith(begin, StringComparison.Ordinal) || name[begin.Length..^end.Length].Contains('.'))
                continue;
            try
            {
                if (DateTime.UtcNow - File.GetLastWriteTimeUtc(orphan) < age)
                    continue;
                // A living writer holds it.
                using (new FileStream(orphan, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1))
                {
                }
                File.Delete(orphan);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody else's.
            }
        }
    }

    /// <summary>A new name beside a path, for what is to be moved there.</summary>
    internal static string Temporary(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, $".{Stem(path)}.{Guid.NewGuid():N}.tmp");

    // A name may have 255 bytes, and the temporary one is longer: of one that leaves no room only a hash is taken.
    private static string Stem(string path)
    {
        var name = Encoding.UTF8.GetBytes(Path.GetFileName(path));
        return name.Length <= LongestStem ? Path.GetFileName(path) : Convert.ToHexStringLower(SHA256.HashData(name));
    }

    private static string Place(string path)
    {
        path = FileKind.Target(path);
        var folder = Path.GetDirectoryName(path) ?? throw new IOException($"'{path}' names a folder, not a file.");
        return Directory.Exists(folder) ? path : throw new DirectoryNotFoundException($"'{path}' cannot be written: its folder does not exist.");
    }

    private static void Replace(string path, Action<Stream> write)
    {
        DeleteOrphans(path, OrphanAge);
        var temporary = Temporary(path);
        try
        {
            using (var stream = Create(temporary, path))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception exception)
        {
            DeleteQuietly(temporary);
            if (exception is IOException)
                throw new IOException($"'{path}' could not be written: {exception.Message}", exception) { HResult = exception.HResult };
            throw;
        }
    }

    private static FileStream Create(string temporary, string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 1 << 16 };
        if (OperatingSystem.IsWindows() || !File.Exists(path))
            return new FileStream(temporary, options);
        // Never readable by more than the old file was, not even while it grows.
        options.UnixCreateMode = OwnerOnly;
        var stream = new FileStream(temporary, options);
        try
        {
            File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(path));
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    private static void WriteThrough(string path, Action<Stream> write)
    {
        var temporary = Path.Combine(Path.GetTempPath(), $"lorainit-{Guid.NewGuid():N}.tmp");
        using var content = new FileStream(temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        write(content);
        content.Position = 0;
        using var target = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
        content.CopyTo(target);
    }

    private static void DeleteQuietly(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The failure under way matters more than a left-over temporary file.
        }
    }
}
