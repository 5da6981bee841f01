using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>
/// Records work as CUDA graphs that share their stream's pool of memory: they run one after another there, and a later run on
/// the stream takes the pool over.
/// </summary>
internal sealed class GraphCapture : WorkCapture
{
    public override CapturedWork? TryCapture(Action work, out string? why)
    {
        string? reason = null;
        var graph = CudaGate.Alone(() => CudaGraph.StreamsPool(out reason) is { } pool ? CudaGraph.TryCapture(work, pool, out reason) : null);
        why = reason;
        return graph;
    }
}
