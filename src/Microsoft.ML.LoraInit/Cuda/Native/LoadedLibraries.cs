namespace Microsoft.ML.LoraInit.Cuda.Native;

/// <summary>The native libraries that this process has loaded, by what Linux says of its memory.</summary>
internal static class LoadedLibraries
{
    /// <summary>The file that a library was loaded from, by the beginning of its name; null where there is none.</summary>
    public static string? Find(string prefix)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            int slash = line.IndexOf('/');
            if (slash >= 0 && Path.GetFileName(line.AsSpan(slash)).StartsWith(prefix, StringComparison.Ordinal))
                return line[slash..];
        }
        return null;
    }
}
