using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// Which versions of TorchSharp this library works with. An application gets the highest version that one of its packages asks
/// for, so that another than the one compiled against may be loaded.
/// </summary>
internal static class SupportedTorchSharp
{
    private static int _warned;

    /// <summary>The version that the tests run on (libtorch 2.10, CUDA 12.8).</summary>
    public static Version Tested { get; } = new(0, 107, 0);

    /// <summary>What the library was first written for (libtorch 2.2.1), and Microsoft.ML.TorchSharp 0.23 still is; nothing older was ever tried.</summary>
    public static Version Oldest { get; } = new(0, 102, 7);

    /// <summary>The version in this process.</summary>
    public static Version Loaded { get; } = Shortened(typeof(TorchSharp.torch).Assembly.GetName().Version!);

    /// <summary>Refuses a version that is too old; warns once in ML.NET's log of one that is not tested.</summary>
    /// <param name="environment">Gets the warning.</param>
    /// <exception cref="NotSupportedException">The version in this process is older than <see cref="Oldest"/>.</exception>
    public static void Check(IHostEnvironment environment)
    {
        if (Warning(Loaded) is not { } warning || Interlocked.Exchange(ref _warned, 1) != 0)
            return;
        using var channel = environment.Start("TorchSharp");
        channel.Warning(MessageSensitivity.None, "{0}", warning);
    }

    /// <summary>What is to be said about a version, or null where it is the tested one.</summary>
    /// <exception cref="NotSupportedException">It is older than <see cref="Oldest"/>.</exception>
    public static string? Warning(Version version)
    {
        if (version == Tested)
            return null;
        var advice = $"reference TorchSharp and its native package (TorchSharp-cpu or TorchSharp-cuda-*) in version {Tested}";
        return version < Oldest
            ? throw new NotSupportedException($"TorchSharp {version} is loaded, which is too old: {advice}.")
            : $"TorchSharp {version} is loaded; this library is tested with {Tested}. If calls fail, {advice}.";
    }

    private static Version Shortened(Version version) => new(version.Major, version.Minor, version.Build);
}
