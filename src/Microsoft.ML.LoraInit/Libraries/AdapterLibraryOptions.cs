using TorchSharp;

namespace Microsoft.ML.LoraInit;

/// <summary>How an <see cref="AdapterLibrary"/> computes.</summary>
public sealed class AdapterLibraryOptions
{
    /// <summary>Where to compute; null (the default) for the CPU.</summary>
    public torch.Device? Device { get; set; }

    /// <summary>fp32 or bf16 for base and corrections; heads are always fp32. Default: bf16 on a GPU, fp32 on a CPU.</summary>
    public Precision Precision { get; set; } = Precision.Auto;

    /// <summary>Rows a batch at most, whatever their adapters. Default 64.</summary>
    public int BatchSize { get; set; } = 64;

    /// <summary>Tokens a batch at most, padding included: bounds the memory of a batch of long rows. Default 8192.</summary>
    public int MaxTokensPerBatch { get; set; } = 8192;

    /// <summary>Reports of a download, or null.</summary>
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Stops a download.</summary>
    public CancellationToken CancellationToken { get; set; }
}
