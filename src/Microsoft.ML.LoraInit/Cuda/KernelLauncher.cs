using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>Checks tensors and launches kernels on torch's current stream of one device. Nothing here waits for the device.</summary>
internal sealed unsafe class KernelLauncher
{
    /// <summary>Turns kernels off where it is 0.</summary>
    public const string Switch = "LORAINIT_CUDA_KERNELS";

    private readonly CudaDriver _driver;

    private KernelLauncher(CudaDriver driver, int device) => (_driver, Device, Architecture) = (driver, device, driver.Architecture(device));

    /// <summary>The CUDA device's number.</summary>
    public int Device { get; }

    /// <summary>The device's compute capability, 90 for 9.0.</summary>
    public int Architecture { get; }

    /// <summary>A launcher that has compiled the programs; or null and why.</summary>
    public static KernelLauncher? TryCreate(Device device, IEnumerable<(KernelProgram Program, string Kernel)> programs, out string? why)
    {
        if (Environment.GetEnvironmentVariable(Switch) == "0")
            why = $"the environment variable {Switch} is 0";
        else if (device.type != TorchSharp.DeviceType.CUDA)
            why = $"'{device}' is no CUDA device";
        else if (TorchCuda.TryGet(out why) is { } torch && CudaDriver.TryGet(out why) is { } driver && Nvrtc.TryGet(out why) is not null)
        {
            try
            {
                // Has libtorch make the device's context where there is none.
                using var first = empty(1, ScalarType.Float32, device);
                var launcher = new KernelLauncher(driver, first.device_index);
                using var context = driver.Enter(launcher.Device);
                foreach (var (program, kernel) in programs)
                    _ = program.Function(driver, launcher.Device, kernel);
                return launcher;
            }
            catch (InvalidOperationException e)
            {
                why = e.Message;
            }
        }
        return null;
    }

    /// <summary>Launches blocks of threads.</summary>
    /// <remarks>Arguments are as <see cref="Value(int)"/> and its like give them, in the kernel's order.</remarks>
    /// <exception cref="InvalidOperationException">CUDA refuses.</exception>
    public void Launch(KernelProgram program, string kernel, long blocks, int threads, params ReadOnlySpan<ulong> arguments)
    {
        if (blocks == 0)
            return;
        if (blocks > int.MaxValue)
            throw new ArgumentException($"The kernel '{kernel}' would need {blocks} blocks; CUDA launches {int.MaxValue} at most. Use smaller batches.");
        using var context = _driver.Enter(Device);
        nint function = program.Function(_driver, Device, kernel);
        void** pointers = stackalloc void*[arguments.Length];
        fixed (ulong* values = arguments)
        {
            for (int i = 0; i < arguments.Length; i++)
                pointers[i] = values + i;
            _driver.Launch(function, (uint)blocks, (uint)threads, CudaStreams.CurrentHandle(Device), pointers);
        }
    }

    public static ulong Value(int value) => (uint)value;

    public static ulong Value(long value) => (ulong)value;

    public static ulong Value(float value) => BitConverter.SingleToUInt32Bits(value);

    /// <summary>A tensor's address; 0 for none.</summary>
    public static ulong Value(Tensor? tensor) => tensor is null ? 0 : (ulong)TensorMemory.Address(tensor);

    /// <summary>Whether 16 bytes can be read at once from every tensor's start on.</summary>
    public static bool Aligned(params ReadOnlySpan<Tensor?> tensors)
    {
        foreach (var tensor in tensors)
            if (Value(tensor) % 16 != 0)
                return false;
        return true;
    }

    /// <exception cref="ArgumentException">The tensor is of another device, type or size, or not contiguous.</exception>
    public void Check(Tensor tensor, string name, ScalarType type, long count)
    {
        CheckKind(tensor, name, type, count);
        if (!tensor.is_contiguous())
            throw new ArgumentException($"'{name}' is not contiguous: call contiguous() on it first.", name);
    }

    /// <summary>For rows that are contiguous each; there may be something between them.</summary>
    /// <returns>Numbers from a row to the next.</returns>
    /// <exception cref="ArgumentException">The tensor is of another device, type or size, or a row is not contiguous.</exception>
    public int CheckRows(Tensor tensor, string name, ScalarType type, long rows, long width)
    {
        CheckKind(tensor, name, type, rows * width);
        if (tensor.is_contiguous())
            return checked((int)width);
        return tensor.dim() == 2 && tensor.shape[1] == width && tensor.stride(1) == 1 && tensor.stride(0) >= width && tensor.stride(0) <= int.MaxValue
            ? (int)tensor.stride(0)
            : throw new ArgumentException(
                $"'{name}' is [{string.Join(", ", tensor.shape)}] with strides [{string.Join(", ", tensor.stride())}], not {rows} contiguous rows of {width}.", name);
    }

    private void CheckKind(Tensor tensor, string name, ScalarType type, long count)
    {
        if (tensor.device_type != TorchSharp.DeviceType.CUDA || tensor.device_index != Device)
            throw new ArgumentException($"'{name}' lies on {tensor.device} where CUDA device {Device} is expected.", name);
        if (tensor.dtype != type)
            throw new ArgumentException($"'{name}' is of {tensor.dtype} where {type} is expected.", name);
        if (tensor.numel() != count)
            throw new ArgumentException($"'{name}' is [{string.Join(", ", tensor.shape)}], {tensor.numel()} values, where {count} are expected.", name);
    }
}
