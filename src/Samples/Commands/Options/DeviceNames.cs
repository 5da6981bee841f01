using System.Globalization;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>Devices as they are typed: <c>cpu</c>, <c>cuda</c>, <c>cuda:1</c>, or several of the last.</summary>
internal static class DeviceNames
{
    /// <exception cref="FormatException">One is none, or is not there.</exception>
    public static torch.Device[] Parse(string text)
    {
        var names = text.ToLowerInvariant().Split(',');
        if (names.FirstOrDefault(name => !IsDevice(name)) is { } wrong)
            throw new FormatException($"expected is cpu, cuda or cuda:N, or several of the last with commas between, not '{wrong}'.");
        if (names.Any(name => name != "cpu") && !torch.cuda.is_available())
            throw new FormatException("CUDA is not available here (no driver, no device, or a build of libtorch for the CPU); give cpu.");
        if (names.FirstOrDefault(name => name.Contains(':', StringComparison.Ordinal) && int.Parse(name.AsSpan(5), CultureInfo.InvariantCulture) >= torch.cuda.device_count()) is { } missing)
            throw new FormatException($"there is no {missing}; {torch.cuda.device_count()} CUDA devices were found.");
        return Array.ConvertAll(names, name => torch.device(name));
    }

    private static bool IsDevice(string name) => name is "cpu" or "cuda"
        || (name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out int index) && index >= 0);
}
