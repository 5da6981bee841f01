using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Says what keeps TorchSharp's native libraries from being loaded, and what to do.</summary>
internal static partial class NativeLibraryDiagnosis
{
    /// <summary>Where TorchSharp's packages have native libraries.</summary>
    private static readonly string[] Platforms = ["linux-x64", "win-x64", "osx-arm64"];

    /// <summary>The version that the build takes the need for out of: see Packaging/Microsoft.ML.LoraInit.targets.</summary>
    private const string Relaxed = "GLIBCXX_3.4.32";

    /// <summary>The one most likely cause, as a message for people.</summary>
    /// <param name="facts">What is known.</param>
    public static string Explain(NativeLibraryFacts facts) => $"TorchSharp {facts.TorchSharp} cannot load its native libraries: {Cause(facts)}";

    private static string Cause(NativeLibraryFacts facts)
    {
        if (facts is { Libtorch: not null, Binding: not null, Refusal: null })
            return $"'{facts.Binding}' can be loaded but does not answer as expected, so it is of another version. Reference TorchSharp and its native package in one version, and empty the program's folder before you build it again.";
        if (facts.Musl)
            return "this system has the C library musl (Alpine Linux), and they need glibc. Use a system or container image with glibc, such as Debian 12 or Ubuntu 22.04 or later.";
        if (!Platforms.Contains(facts.Platform) && (facts.Libtorch is null || facts.Binding is null))
            return $"there are none for {facts.Platform}. Run the program on one of {string.Join(", ", Platforms)}.";
        if (facts.Libtorch is null)
            return $"libtorch is not there. Reference one of the packages TorchSharp-cpu, TorchSharp-cuda-linux and TorchSharp-cuda-windows, in version {facts.TorchSharp}, "
                + $"in the program's own project, and build or publish it for {facts.Platform}. {Looked(facts)}";
        if (facts.Binding is null)
            return $"TorchSharp's own one is not there, though libtorch is. Build or publish the program for {facts.Platform}. {Looked(facts)}";
        return Refused(facts.Refusal!, facts);
    }

    private static string Refused(string refusal, NativeLibraryFacts facts)
    {
        if (MissingVersion().Match(refusal) is { Success: true } version)
            return OldSystem(version.Groups[1].Value, facts);
        if (MissingFile().Match(refusal) is { Success: true } file)
            return $"the library '{file.Groups[1].Value}' is not on this system. Install the package of the system that has it.";
        if (facts.Platform.StartsWith("win-", StringComparison.Ordinal))
            return $"Windows does not load '{facts.Binding}' or what it needs. Install the Microsoft Visual C++ Redistributable for {facts.Platform["win-".Length..]}. Windows says: {refusal}";
        return $"the system does not load '{facts.Binding}' or what it needs. It says: {refusal}";
    }

    private static string OldSystem(string version, NativeLibraryFacts facts)
    {
        var library = version.StartsWith("GLIBC_", StringComparison.Ordinal) ? "libc.so.6" : "libstdc++.so.6";
        var cause = $"the {library} of this system is older than {version}, which they need.";
        return version == Relaxed
            ? $"{cause} A build with the package Microsoft.ML.LoraInit takes this need out of its copy of TorchSharp's library, but '{facts.Binding}' still has it: "
                + "build the program again without LoraInitOlderLinux=false and look for the warnings LORA0001 and LORA0002; or use a newer system, such as Debian 13 or Ubuntu 24.04."
            : $"{cause} Use a newer system or container image, such as Debian 12 or Ubuntu 22.04 or later"
                + (library == "libc.so.6" ? "." : ", or put a newer libstdc++.so.6 into a folder that LD_LIBRARY_PATH names.");
    }

    private static string Looked(NativeLibraryFacts facts) => $"Looked in {string.Join(", ", facts.Folders.Select(f => $"'{f}'"))}.";

    [GeneratedRegex(@"version [`'""]((?:GLIBC|GLIBCXX|CXXABI)_[0-9.]+)' not found")]
    private static partial Regex MissingVersion();

    [GeneratedRegex(@"([^\s/:]+\.so[0-9.]*): cannot open shared object file")]
    private static partial Regex MissingFile();
}
