using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Tells regular files from devices and pipes, which .NET does not.</summary>
internal static unsafe partial class FileKind
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint TypeAndMode = 1; // STATX_TYPE
    private const int KindMask = 0xF000, Regular = 0x8000, Folder = 0x4000;

    /// <summary>Whether a path, links followed, is something to read from or write to that is no regular file: a device, pipe or socket.</summary>
    public static bool IsSpecial(string path)
    {
        if (OperatingSystem.IsWindows() || !File.Exists(path))
            return false;
        if (Mode(path) is { } mode)
            return (mode & KindMask) is not (Regular or Folder);
        // Elsewhere by the place and by the size, which of devices and pipes is 0.
        var full = Target(path);
        return full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal);
    }

    /// <summary>What a link points at in the end, as a full path; the path itself where it is no link.</summary>
    /// <exception cref="IOException">Links point at each other; the message names the path.</exception>
    public static string Target(string path)
    {
        // Of a link given by its name alone .NET 10 looks for a relative target in the root of the file system.
        path = Path.GetFullPath(path);
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return path; // Nothing is there yet.
        }
    }

    private static int? Mode(string path)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        // struct statx of linux/stat.h has the same layout on every architecture: stx_mode lies at byte 28 of 256.
        var buffer = stackalloc byte[256];
        try
        {
            return StatX(CurrentFolder, path, 0, TypeAndMode, buffer) == 0 ? *(ushort*)(buffer + 28) : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* result);
}
