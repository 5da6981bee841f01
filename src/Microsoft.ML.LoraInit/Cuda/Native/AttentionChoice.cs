using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Cuda.Native;

/// <summary>
/// Which of its attentions libtorch takes on a GPU: not cuDNN's. On Hopper and Blackwell it comes first for 16-bit types
/// (pytorch/pytorch, aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, <c>check_prefer_cudnn_attention</c>), and makes a plan for every
/// shape that a thread has not met before (native/cudnn/MHA.cpp): a tenth of a second each, where texts have many lengths and
/// engines many threads. FlashAttention and the memory-efficient one need none.
/// </summary>
/// <remarks>
/// libtorch holds the setting for the process, as <c>torch.backends.cuda.enable_cudnn_sdp</c> in Python; TorchSharp (0.107.0) has no call for it.
/// The environment variable <c>LORAINIT_CUDNN_ATTENTION=1</c> leaves it as it is.
/// </remarks>
internal static unsafe class AttentionChoice
{
    /// <summary>Leaves libtorch's own choice where it is 1.</summary>
    public const string Switch = "LORAINIT_CUDNN_ATTENTION";

    private const string Library = "libtorch_cpu.so"; // which has the settings, with CUDA too

    /// <summary>Whether cuDNN's attention may be chosen; null where libtorch cannot be asked.</summary>
    public static bool? AllowsCuDnn
    {
        get
        {
            var table = Table();
            var context = (delegate* unmanaged<nint>)table["_ZN2at13globalContextEv"];
            var allows = (delegate* unmanaged<nint, byte>)table["_ZNK2at7Context19userEnabledCuDNNSDPEv"];
            return table.Missing is null ? allows(context()) != 0 : null;
        }
        set
        {
            var table = Table();
            var context = (delegate* unmanaged<nint>)table["_ZN2at13globalContextEv"];
            var allow = (delegate* unmanaged<nint, byte, void>)table["_ZN2at7Context14setSDPUseCuDNNEb"];
            if (table.Missing is null)
                allow(context(), value is true ? (byte)1 : (byte)0);
        }
    }

    /// <summary>Takes cuDNN's attention out of the choice, where libtorch has it and nobody objects.</summary>
    public static void AvoidPlans()
    {
        if (Environment.GetEnvironmentVariable(Switch) != "1")
            AllowsCuDnn = false;
    }

    private static FunctionTable Table() =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
            && LoadedLibraries.Find(Library) is { } path && NativeLibrary.TryLoad(path, out nint library)
            ? new(path, library)
            : new(Library);
}
