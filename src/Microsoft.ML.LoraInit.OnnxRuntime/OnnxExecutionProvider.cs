namespace Microsoft.ML.LoraInit;

/// <summary>
/// What ONNX Runtime computes with. Which ones there are depends on the native package that the application references; one that is
/// missing is refused before anything is scored.
/// </summary>
public enum OnnxExecutionProvider
{
    /// <summary>The processor; in every package.</summary>
    Cpu,

    /// <summary>NVIDIA GPUs: package <c>Microsoft.ML.OnnxRuntime.Gpu</c>, with CUDA and cuDNN on the machine.</summary>
    Cuda,

    /// <summary>NVIDIA GPUs by TensorRT, and CUDA for what it lacks: package <c>Microsoft.ML.OnnxRuntime.Gpu</c>.</summary>
    TensorRT,

    /// <summary>GPUs on Windows: package <c>Microsoft.ML.OnnxRuntime.DirectML</c>.</summary>
    DirectML,

    /// <summary>Apple's processors, GPUs and neural engines: package <c>Microsoft.ML.OnnxRuntime</c> on macOS.</summary>
    CoreML,
}
