using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>One batch.</summary>
/// <param name="Inputs">Token ids and mask.</param>
/// <param name="Targets">What the task's loss takes, [rows] or [rows, labels].</param>
/// <param name="Weights">Example weights, fp32 [rows]; null for 1 each.</param>
/// <param name="WeightSum">Sum of the weights, or the number of rows.</param>
internal sealed record PreparedBatch(EncodedBatch Inputs, Tensor Targets, Tensor? Weights, double WeightSum) : IDisposable
{
    public int Rows => (int)Inputs.Rows;

    /// <summary>The same batch with other tensors, of which the caller becomes the owner.</summary>
    public PreparedBatch Map(Func<Tensor, Tensor> change) => this with
    {
        Inputs = new(change(Inputs.InputIds), Inputs.AttentionMask is null ? null : change(Inputs.AttentionMask)),
        Targets = change(Targets),
        Weights = Weights is null ? null : change(Weights),
    };

    public void Dispose()
    {
        Inputs.InputIds.Dispose();
        Inputs.AttentionMask?.Dispose();
        Targets.Dispose();
        Weights?.Dispose();
    }
}

/// <summary>
/// Batches made on another thread, a few ahead, as long as their longest row. For CUDA they lie in pinned memory, and their
/// copy to the device is queued where they are taken, on the stream of the thread that uses them.
/// </summary>
internal sealed class BatchQueue : IDisposable
{
    private readonly PrefetchQueue<PreparedBatch> _queue;
    private readonly Device _device;

    /// <param name="data">The rows.</param>
    /// <param name="plan">Row numbers of each batch.</param>
    /// <param name="task">Converts labels.</param>
    /// <param name="padId">The padding token.</param>
    /// <param name="device">Where batches go.</param>
    public BatchQueue(TextDataset data, IReadOnlyList<int[]> plan, TextTask task, int padId, Device device)
    {
        _device = device;
        var pinned = device.type == TorchSharp.DeviceType.CUDA;
        _queue = new(plan, rows =>
        {
            using var scope = NewDisposeScope();
            var weights = data.Weights is null ? null : tensor(Array.ConvertAll(rows, i => data.Weights[i]));
            var targets = task.Targets(data.LabelsOf(rows), CPU);
            return new PreparedBatch(BatchBuilder.Build(data.Texts, rows, padId, CPU), targets, weights, WeightOf(data, rows))
                .Map(t => (pinned ? t.pin_memory() : t).DetachFromDisposeScope());
        });
    }

    /// <summary>The next batch of the plan, on the device; the caller disposes it.</summary>
    public PreparedBatch Take()
    {
        var batch = _queue.Take();
        if (_device.type == TorchSharp.DeviceType.CPU)
            return batch;
        using (batch)
            return batch.Map(t => t.to(_device, false, false, true).DetachFromDisposeScope());
    }

    public void Dispose() => _queue.Dispose();

    /// <summary>Sum of the example weights of some rows, or their number.</summary>
    public static double WeightOf(TextDataset data, int[] rows) =>
        data.Weights is null ? rows.Length : rows.Sum(i => (double)data.Weights[i]);
}
