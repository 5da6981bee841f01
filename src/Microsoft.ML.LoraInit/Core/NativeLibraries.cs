using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// Loads TorchSharp's native libraries, or says why that cannot be done: TorchSharp's own message names a missing package whatever
/// the cause is.
/// </summary>
internal static class NativeLibraries
{
    private static volatile bool _loaded;

    /// <summary>To be called before the first tensor is made; costs nothing from the second time on.</summary>
    /// <exception cref="InvalidOperationException">They cannot be loaded; the message says what is missing and what to do.</exception>
    public static void Require()
    {
        if (_loaded)
            return;
        var assembly = typeof(torch).Assembly;
        if (!Present(assembly) && !FromPackageFolder(assembly))
            throw Unusable(NativeLibraryFacts.Gather(), null);
        try
        {
            torch.InitializeDeviceType(DeviceType.CPU);
            _ = torch.get_num_threads();
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or EntryPointNotFoundException or BadImageFormatException or NotSupportedException)
        {
            throw Unusable(NativeLibraryFacts.Gather(), e);
        }
        _loaded = true;
    }

    /// <summary>What TorchSharp tries first. Where it fails, TorchSharp would write its message to the console and remember the failure.</summary>
    private static bool Present(Assembly assembly)
    {
        NativeLibrary.TryLoad("torch_cpu", assembly, null, out _);
        return NativeLibrary.TryLoad("LibTorchSharp", assembly, null, out _);
    }

    /// <summary>A notebook or script, for which TorchSharp gathers the libraries out of their packages.</summary>
    private static bool FromPackageFolder(Assembly assembly) => assembly.Location.Contains("torchsharp", StringComparison.Ordinal);

    private static InvalidOperationException Unusable(NativeLibraryFacts facts, Exception? cause) => new(NativeLibraryDiagnosis.Explain(facts), cause);
}
