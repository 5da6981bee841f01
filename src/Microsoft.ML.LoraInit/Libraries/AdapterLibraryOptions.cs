using TorchSharp;

namespace Microsoft.ML.LoraInit;

/// <summary>How an <see cref="AdapterLibrary"/> computes.</summary>
public sealed class AdapterLibraryOptions
{
    /// <summary>Where to compute; null (the default) for the CPU.</summary>
    public torch.Device? Device { get; set; }

    /// <summary>fp32 or bf16 for base and corrections; heads are always fp32. Default: bf16 on a GPU, fp32 on a CPU.</summary>
    public Precision Precision { get; set; } = Precision.Auto;

    /// <summary>Tokens a batch at most, padding included: bounds the memory of a batch. Null (the default) for what suits the device.</summary>
    public int? MaxTokensPerBatch { get; set; }

    /// <summary>Reports of a download, or null.</summary>
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Stops a download.</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <summary>Whether adapters of one form lie together and are computed by batched products; null for what suits the device.</summary>
    internal bool? OnShelves { get; set; }
}
