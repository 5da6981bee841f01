using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>What there is to know about native libraries that could not be loaded.</summary>
internal sealed record NativeLibraryFacts
{
    /// <summary>Operating system and processor as packages name them, such as <c>linux-x64</c>.</summary>
    public required string Platform { get; init; }

    /// <summary>Whether the C library is musl, as on Alpine Linux.</summary>
    public bool Musl { get; init; }

    /// <summary>The version of TorchSharp's managed assembly.</summary>
    public required Version TorchSharp { get; init; }

    /// <summary>Where the libraries were looked for.</summary>
    public IReadOnlyList<string> Folders { get; init; } = [];

    /// <summary>The file of TorchSharp's own library, or null where there is none.</summary>
    public string? Binding { get; init; }

    /// <summary>The file of libtorch that both CPU and CUDA packages have, or null where there is none.</summary>
    public string? Libtorch { get; init; }

    /// <summary>The system's reason for not loading one of the files, or null where it loads them.</summary>
    public string? Refusal { get; init; }

    /// <summary>The facts of this process; tries to load what it finds.</summary>
    public static NativeLibraryFacts Gather()
    {
        var (os, prefix, extension) = OperatingSystem.IsWindows() ? ("win", "", ".dll")
            : OperatingSystem.IsMacOS() ? ("osx", "lib", ".dylib")
            : ("linux", "lib", ".so");
        var platform = $"{os}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        var folders = SearchFolders(platform);
        var libtorch = Find(folders, $"{prefix}torch_cpu{extension}");
        var binding = Find(folders, $"{prefix}LibTorchSharp{extension}");
        return new()
        {
            Platform = platform,
            Musl = RuntimeInformation.RuntimeIdentifier is var rid && (rid.StartsWith("linux-musl", StringComparison.Ordinal) || rid.StartsWith("alpine", StringComparison.Ordinal)),
            TorchSharp = SupportedTorchSharp.Loaded,
            Folders = folders,
            Binding = binding,
            Libtorch = libtorch,
            Refusal = Refused(libtorch) ?? Refused(binding), // the second needs the first
        };
    }

    /// <summary>Those of the runtime, which come from the program's .deps.json, and those beside the program.</summary>
    private static IReadOnlyList<string> SearchFolders(string platform)
    {
        var known = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        string[] all = [.. known, AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", platform, "native")];
        return [.. all.Select(f => Path.TrimEndingDirectorySeparator(Path.GetFullPath(f))).Distinct()];
    }

    private static string? Find(IReadOnlyList<string> folders, string file) => folders.Select(f => Path.Combine(f, file)).FirstOrDefault(File.Exists);

    private static string? Refused(string? file)
    {
        if (file is null)
            return null;
        try
        {
            NativeLibrary.Load(file);
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            return e.Message;
        }
    }
}
