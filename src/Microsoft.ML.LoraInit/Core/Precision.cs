namespace Microsoft.ML.LoraInit;

/// <summary>Precision of the frozen base.</summary>
public enum Precision
{
    /// <summary>bf16 on a GPU, fp32 on a CPU.</summary>
    Auto,

    /// <summary>32-bit floats.</summary>
    Float32,

    /// <summary>bfloat16.</summary>
    BFloat16,
}
