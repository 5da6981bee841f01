using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Reporting;

/// <summary>Where and with what it was measured.</summary>
internal static class Machine
{
    /// <summary>Processor, cores, operating system, GPU and driver (where <c>nvidia-smi</c> answers).</summary>
    public static SortedDictionary<string, string> Describe(Device device) => new(StringComparer.Ordinal)
    {
        ["processor"] = Processor(),
        ["processors"] = Environment.ProcessorCount.ToString(),
        ["operating_system"] = RuntimeInformation.OSDescription,
        ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(),
        ["torch_threads"] = get_num_threads().ToString(),
        ["device"] = device.ToString(),
        ["gpu"] = device.type == DeviceType.CUDA ? Gpu() : "none",
    };

    public static SortedDictionary<string, string> Versions() => new(StringComparer.Ordinal)
    {
        ["dotnet"] = RuntimeInformation.FrameworkDescription,
        ["torchsharp"] = Version(typeof(torch).Assembly),
        ["libtorch"] = __version__,
        ["ml_net"] = Version(typeof(MLContext).Assembly),
        ["lorainit"] = Version(typeof(LoraInitialization).Assembly),
    };

    private static string Version(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? assembly.GetName().Version?.ToString() ?? "unknown";

    private static string Processor()
    {
        const string CpuInfo = "/proc/cpuinfo";
        if (!File.Exists(CpuInfo))
            return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown";
        var line = File.ReadLines(CpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
        return line?.Split(':', 2)[1].Trim() ?? "unknown";
    }

    private static string Gpu()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("nvidia-smi", "--query-gpu=name,driver_version --format=csv,noheader") { RedirectStandardOutput = true })!;
            var text = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return text.Length > 0 ? text : "unknown";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown: nvidia-smi is not there";
        }
    }
}
