using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Quantization;

/// <summary>
/// A small table of constants, copied to each device once and kept for the process: a copy at each use would make the
/// device wait.
/// </summary>
internal sealed class DeviceTable(float[] values, params long[] shape)
{
    private readonly ConcurrentDictionary<string, Lazy<Tensor>> _copies = new(StringComparer.Ordinal);

    /// <summary>The table on the device, fp32; not to be changed or disposed.</summary>
    public Tensor On(Device device) => _copies.GetOrAdd(device.ToString(), _ => new(() =>
    {
        using var scope = NewDisposeScope();
        return tensor(values).view(shape).to(device).DetachFromDisposeScope();
    })).Value;
}
