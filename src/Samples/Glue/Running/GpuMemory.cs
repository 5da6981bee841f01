using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>What the driver counts for this process. TorchSharp (0.107.0) has no figure of its own; its allocator gives nothing back, so this is near the peak.</summary>
internal static class GpuMemory
{
    /// <returns>Bytes on all GPUs, or null on a CPU and where nvidia-smi is not there or does not know the process.</returns>
    public static long? OfThisProcess(torch.Device device)
    {
        if (device.type != DeviceType.CUDA)
            return null;
        try
        {
            using var process = Process.Start(new ProcessStartInfo("nvidia-smi", ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"])
            {
                RedirectStandardOutput = true,
            })!;
            var lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            process.WaitForExit();
            var mebibytes = lines.Select(l => l.Split(',', StringSplitOptions.TrimEntries))
                .Where(c => c.Length == 2 && c[0] == System.Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
                .Select(c => long.TryParse(c[1], NumberStyles.None, CultureInfo.InvariantCulture, out var m) ? m : 0)
                .Sum();
            return mebibytes == 0 ? null : mebibytes << 20;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
