using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit.MLNet;

/// <summary>What the MLContext knows: its seed, its device, whether it was cancelled.</summary>
internal static class MLNetEnvironment
{
    /// <summary>The environment behind a catalog such as <c>ml.MulticlassClassification.Trainers</c>.</summary>
    public static IHostEnvironment Of(object catalog) => ((IInternalCatalog)catalog).Environment;

    /// <summary>The seed given to the MLContext, or null.</summary>
    public static int? Seed(IHostEnvironment environment) => (environment as IHostEnvironmentInternal)?.Seed;

    /// <summary>The CUDA device asked for, or null for none.</summary>
    public static int? GpuDeviceId(IHostEnvironment environment) => (environment as IHostEnvironmentInternal)?.GpuDeviceId;

    /// <summary>Whether the CPU will do where the device asked for is not there.</summary>
    public static bool FallbackToCpu(IHostEnvironment environment) => (environment as IHostEnvironmentInternal)?.FallbackToCpu ?? true;

    /// <summary>Whether a trial's time was up (AutoML cancels so).</summary>
    public static bool IsCanceled(IHostEnvironment environment) => environment is ICancelable { IsCanceled: true };
}
