using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// Which versions of TorchSharp this library works with. An application gets the highest version that one of its packages asks
/// for, so that another than the one compiled against may be loaded.
/// </summary>
internal static class SupportedTorchSharp
{
    private static int _warned;

    /// <summary>The version of ML.NET 5.0.0 (libtorch 2.2.1, CUDA 12.1), and those with libtorch 2.10 and CUDA 12.8; ascending.</summary>
    public static IReadOnlyList<Version> Known { get; } = [new(0, 102, 7), new(0, 106, 0), new(0, 107, 0)];

    /// <summary>The version in this process.</summary>
    public static Version Loaded { get; } = Shortened(typeof(TorchSharp.torch).Assembly.GetName().Version!);

    /// <summary>Refuses a version that is too old; warns once in ML.NET's log of one that nobody has tried.</summary>
    /// <param name="environment">Gets the warning.</param>
    /// <exception cref="NotSupportedException">The version in this process is older than the oldest known.</exception>
    public static void Check(IHostEnvironment environment)
    {
        if (Warning(Loaded) is not { } warning || Interlocked.Exchange(ref _warned, 1) != 0)
            return;
        using var channel = environment.Start("TorchSharp");
        channel.Warning(MessageSensitivity.None, "{0}", warning);
    }

    /// <summary>What is to be said about a version, or null where it is known.</summary>
    /// <exception cref="NotSupportedException">It is older than the oldest known.</exception>
    public static string? Warning(Version version)
    {
        if (Known.Contains(version))
            return null;
        var known = $"{string.Join(", ", Known.SkipLast(1))} and {Known[^1]}";
        if (version < Known[0])
            throw new NotSupportedException($"TorchSharp {version} is loaded, which is too old: reference TorchSharp and its native package (TorchSharp-cpu or TorchSharp-cuda-*) in one of the versions {known}.");
        return $"TorchSharp {version} is loaded; this library knows {known}. If calls fail, reference TorchSharp and its native package (TorchSharp-cpu or TorchSharp-cuda-*) in one of these versions.";
    }

    private static Version Shortened(Version version) => new(version.Major, version.Minor, version.Build);
}
