using System.Globalization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary>The devices that a grid's runs are spread over.</summary>
internal static class DeviceList
{
    /// <exception cref="UsageException">A name is no device, or the device is not there.</exception>
    public static IReadOnlyList<Device> Parse(string text)
    {
        if (text.Equals("auto", StringComparison.OrdinalIgnoreCase))
            return cuda.is_available() ? [.. Enumerable.Range(0, cuda.device_count()).Select(Cuda)] : [CPU];
        var devices = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(One).ToArray();
        return devices.Length > 0 ? devices : throw new UsageException("--devices is empty; give auto, cpu or cuda:0.");
    }

    private static Device One(string name)
    {
        if (name.Equals("cpu", StringComparison.OrdinalIgnoreCase))
            return CPU;
        if (!name.StartsWith("cuda:", StringComparison.OrdinalIgnoreCase) || !int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            throw new UsageException($"--devices: '{name}' is neither cpu nor cuda:N.");
        return cuda.is_available() && index < cuda.device_count()
            ? Cuda(index)
            : throw new UsageException($"--devices: there is no {name}; {(cuda.is_available() ? $"{cuda.device_count()} CUDA devices were found" : "CUDA is not available")}.");
    }

    private static Device Cuda(int index) => new(TorchSharp.DeviceType.CUDA, index);
}
