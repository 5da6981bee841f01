using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>
/// Records work as CUDA graphs on a stream that nothing runs on, to be launched on the default stream, one after another: they share
/// memory. Its recordings must take turns.
/// </summary>
/// <param name="device">A CUDA device with an index.</param>
internal sealed class PassCapture(Device device) : WorkCapture
{
    // libtorch's libraries set themselves up for every thread and every pair of thread and stream: some tenths of a second, and 32 MB of an
    // H200's memory. One thread records for the process.
    private static readonly Lazy<WorkerThread> Recorder = new(() => new WorkerThread("recording CUDA graphs"));

    private CudaGraph? _first;

    public override CapturedWork? TryCapture(Action work, out string? why)
    {
        string? reason = null;
        CudaGraph? graph = null;
        // Waiting for a training run's next step would delay the row.
        Recorder.Value.Run(() => CudaGate.TryAlone(() =>
        {
            using var stream = new CudaStreamScope(device, forRecordings: true);
            try
            {
                work(); // libraries set themselves up at first use, which cannot be recorded
            }
            catch (Exception e)
            {
                reason = $"the work threw {e.GetType().Name}: {e.Message}";
                return;
            }
            graph = CudaGraph.TryCapture(work, _first, out reason);
        }));
        why = reason;
        _first ??= graph;
        return graph;
    }
}
