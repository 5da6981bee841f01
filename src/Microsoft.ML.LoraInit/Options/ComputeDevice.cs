using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Options;

/// <summary>Where to compute and in which precision.</summary>
internal static class ComputeDevice
{
    /// <summary>
    /// The device asked for by option, else by ML.NET's convention: <c>MLContext.GpuDeviceId</c> where set, with
    /// <c>FallbackToCpu</c> deciding what happens where that device is not there; else the CPU.
    /// </summary>
    /// <exception cref="NotSupportedException">TorchSharp is too old.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's native libraries cannot be loaded; a CUDA device was asked for and is not there.</exception>
    public static Device Resolve(IHostEnvironment environment, Device? option)
    {
        Require(environment);
        if (option is not null)
            return option.type != DeviceType.CUDA || Exists(Index(option))
                ? option
                : throw Missing($"Options.Device is {option}");
        if (MLNetEnvironment.GpuDeviceId(environment) is not { } id)
            return CPU;
        if (Exists(id))
            return new Device(DeviceType.CUDA, id);
        return MLNetEnvironment.FallbackToCpu(environment)
            ? CPU
            : throw Missing($"MLContext.GpuDeviceId is {id} and FallbackToCpu is false");
    }

    /// <summary>The devices of a run, the main one first: <c>Options.Devices</c> where given, else the one of <see cref="Resolve"/>.</summary>
    /// <exception cref="NotSupportedException">TorchSharp is too old.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's native libraries cannot be loaded; a CUDA device was asked for and is not there.</exception>
    public static IReadOnlyList<Device> ResolveAll(IHostEnvironment environment, LoraTrainerOptions options)
    {
        if (options.Devices is not { } devices)
            return [Resolve(environment, options.Device)];
        Require(environment);
        foreach (var device in devices)
            if (device.type == DeviceType.CUDA && !Exists(Index(device)))
                throw Missing($"Options.Devices names {device}");
        return [.. devices.Select(d => d.type == DeviceType.CUDA ? new Device(DeviceType.CUDA, Index(d)) : d)];
    }

    /// <summary>A CUDA device's number: without one it is the first.</summary>
    public static int Index(Device device) => Math.Max(device.index, 0);

    /// <summary>The type of the frozen base on a device.</summary>
    public static ScalarType BaseType(Precision precision, Device device) => precision switch
    {
        Precision.Float32 => ScalarType.Float32,
        Precision.BFloat16 => ScalarType.BFloat16,
        _ => device.type == DeviceType.CUDA ? ScalarType.BFloat16 : ScalarType.Float32,
    };

    /// <summary>Fitting and loading both come by here, before any tensor is made.</summary>
    private static void Require(IHostEnvironment environment)
    {
        SupportedTorchSharp.Check(environment);
        NativeLibraries.Require();
    }

    private static bool Exists(int index) => cuda.is_available() && index < cuda.device_count();

    private static InvalidOperationException Missing(string wanted) =>
        new($"{wanted}, but {(cuda.is_available() ? $"there are {cuda.device_count()} CUDA devices" : "CUDA is not available to TorchSharp (a package such as TorchSharp-cuda-linux, a driver and a GPU are needed)")}.");
}
