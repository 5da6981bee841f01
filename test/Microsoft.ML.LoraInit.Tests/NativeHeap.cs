using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Tests;

/// <summary>
/// What native code holds at this moment. The resident set of the process would not tell: it keeps what was freed,
/// and holes between small blocks make it grow where nothing is held.
/// </summary>
internal static class NativeHeap
{
    public static bool CanBeRead => OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var libc) && NativeLibrary.TryGetExport(libc, "mallinfo2", out _);

    /// <summary>Bytes in use in all arenas and in blocks that are mapped by themselves.</summary>
    public static long InUse()
    {
        var info = Read();
        return (long)(info.InUse + info.Mapped);
    }

    /// <summary>Bytes that the process holds when the collector has gone over them: native and managed; where the allocator does not tell, the resident set.</summary>
    public static long Held()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return CanBeRead ? InUse() + GC.GetTotalMemory(forceFullCollection: true) : Environment.WorkingSet;
    }

    [DllImport("libc.so.6", EntryPoint = "mallinfo2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern Information Read();

    /// <summary>glibc's struct mallinfo2 (malloc.h, since 2.33), in its order.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Information
    {
        public readonly nuint Arena, FreeChunks, FastBlocks, MappedBlocks, Mapped, Unused, FastFree, InUse, Free, Releasable;
    }
}
