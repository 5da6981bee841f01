using Microsoft.ML.LoraInit.Cuda;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>Records work as CUDA graphs that share one pool of memory: they run one after another on one stream.</summary>
internal sealed class GraphCapture : WorkCapture
{
    private CudaGraph? _first;

    public override CapturedWork? TryCapture(Action work, out string? why)
    {
        string? reason = null;
        var graph = CudaGate.Alone(() => CudaGraph.TryCapture(work, _first, out reason));
        why = reason;
        if (graph is null)
            return null;
        _first ??= graph;
        return new Work(graph);
    }

    private sealed class Work(CudaGraph graph) : CapturedWork
    {
        public override void Replay() => graph.Replay();

        public override void Dispose() => graph.Dispose();
    }
}
