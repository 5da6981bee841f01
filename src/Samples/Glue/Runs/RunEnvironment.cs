using System.Reflection;
using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>Where a run ran: enough to explain a difference between two machines.</summary>
internal sealed record RunEnvironment
{
    public string Processor { get; init; } = "";

    public int Processors { get; init; }

    public string OperatingSystem { get; init; } = "";

    public string Architecture { get; init; } = "";

    public string DotNet { get; init; } = "";

    public string TorchSharp { get; init; } = "";

    public string Library { get; init; } = "";

    public string Device { get; init; } = "cpu";

    /// <summary>This machine and these assemblies, for a device named by the caller.</summary>
    public static RunEnvironment Current(string device) => new()
    {
        Processor = ProcessorName(),
        Processors = System.Environment.ProcessorCount,
        OperatingSystem = RuntimeInformation.OSDescription,
        Architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(),
        DotNet = RuntimeInformation.FrameworkDescription,
        TorchSharp = Version(typeof(TorchSharp.torch).Assembly),
        Library = Version(typeof(LoraInitialization).Assembly),
        Device = device,
    };

    private static string Version(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? assembly.GetName().Version?.ToString() ?? "unknown";

    private static string ProcessorName()
    {
        const string CpuInfo = "/proc/cpuinfo";
        if (!File.Exists(CpuInfo))
            return System.Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown";
        var line = File.ReadLines(CpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
        return line?.Split(':', 2)[1].Trim() ?? "unknown";
    }
}
