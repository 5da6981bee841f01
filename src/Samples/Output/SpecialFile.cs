using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>What has a path and is no file that could be replaced: devices, pipes, the standard streams.</summary>
internal static partial class SpecialFile
{
    // O_NONBLOCK, so that a pipe without a writer does not wait.
    private static readonly int NonBlocking = OperatingSystem.IsLinux() ? 0x800 : 0x4;

    /// <summary>Whether the path is one of them.</summary>
    public static bool Is(string path)
    {
        if (OperatingSystem.IsWindows() || !File.Exists(path))
            return false;
        var full = Path.GetFullPath(path);
        return full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal) || IsPipe(full);
    }

    /// <summary>Writes to it, after all of the content is there.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        var buffer = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, Options = FileOptions.DeleteOnClose };
        using var content = new FileStream(Path.Combine(Path.GetTempPath(), $"lorainit.{Guid.NewGuid():N}.tmp"), buffer);
        write(content);
        content.Position = 0;
        using var target = Open(Path.GetFullPath(path));
        content.CopyTo(target);
    }

    // A second opening of what the shell has opened would begin at its start.
    private static Stream Open(string path) => path switch
    {
        "/dev/stdout" or "/dev/fd/1" or "/proc/self/fd/1" => Console.OpenStandardOutput(),
        "/dev/stderr" or "/dev/fd/2" or "/proc/self/fd/2" => Console.OpenStandardError(),
        _ => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 1),
    };

    /// <summary>Pipes and terminals have no positions.</summary>
    [UnsupportedOSPlatform("windows")]
    private static bool IsPipe(string path)
    {
        int handle = OpenFile(path, NonBlocking);
        if (handle < 0)
            return false;
        bool seekable = Seek(handle, 0, 1) >= 0;
        _ = Close(handle);
        return !seekable;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFile(string path, int flags);

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long Seek(int handle, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}
