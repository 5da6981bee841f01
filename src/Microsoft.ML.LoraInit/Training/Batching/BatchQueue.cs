using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Batching;

/// <summary>One batch on the compute device.</summary>
/// <param name="Inputs">Token ids and mask.</param>
/// <param name="Targets">What the task's loss takes, [rows] or [rows, labels].</param>
/// <param name="Weights">Example weights, fp32 [rows]; null for 1 each.</param>
/// <param name="WeightSum">Sum of the weights, or the number of rows.</param>
internal sealed record PreparedBatch(EncodedBatch Inputs, Tensor Targets, Tensor? Weights, double WeightSum) : IDisposable
{
    public int Rows => (int)Inputs.Rows;

    public void Dispose()
    {
        Inputs.InputIds.Dispose();
        Inputs.AttentionMask?.Dispose();
        Targets.Dispose();
        Weights?.Dispose();
    }
}

/// <summary>
/// Makes batches on another thread, a few ahead of the one in use, in the plan's order. On CUDA they go through pinned
/// memory, so that the copy overlaps with computation.
/// </summary>
internal sealed class BatchQueue : IDisposable
{
    private const int Ahead = 4;

    private readonly BlockingCollection<PreparedBatch> _ready = new(Ahead);
    private readonly CancellationTokenSource _stop = new();
    private readonly TextDataset _data;
    private readonly TextTask _task;
    private readonly int _padId;
    private readonly Device _device;
    private readonly Task _worker;
    private ExceptionDispatchInfo? _failure;

    /// <param name="data">The rows.</param>
    /// <param name="plan">Row numbers of each batch.</param>
    /// <param name="task">Converts labels.</param>
    /// <param name="padId">The padding token.</param>
    /// <param name="device">Where batches go.</param>
    public BatchQueue(TextDataset data, IReadOnlyList<int[]> plan, TextTask task, int padId, Device device)
    {
        _data = data;
        _task = task;
        _padId = padId;
        _device = device;
        _worker = Task.Factory.StartNew(() => Fill(plan), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>The next batch of the plan; the caller disposes it.</summary>
    public PreparedBatch Take()
    {
        if (_ready.TryTake(out var batch, Timeout.Infinite))
            return batch;
        _failure?.Throw();
        throw new InvalidOperationException("The plan has no further batch.");
    }

    public void Dispose()
    {
        _stop.Cancel();
        _worker.Wait();
        while (_ready.TryTake(out var batch))
            batch.Dispose();
        _ready.Dispose();
        _stop.Dispose();
    }

    /// <summary>Sum of the example weights of some rows, or their number.</summary>
    public static double WeightOf(TextDataset data, int[] rows) =>
        data.Weights is null ? rows.Length : rows.Sum(i => (double)data.Weights[i]);

    private void Fill(IReadOnlyList<int[]> plan)
    {
        try
        {
            foreach (var rows in plan)
            {
                var batch = Prepare(rows);
                try
                {
                    _ready.Add(batch, _stop.Token);
                }
                catch (OperationCanceledException)
                {
                    batch.Dispose();
                    return;
                }
            }
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e); // Take tells it on the consumer's thread
        }
        finally
        {
            _ready.CompleteAdding();
        }
    }

    private PreparedBatch Prepare(int[] rows)
    {
        using var scope = NewDisposeScope();
        var inputs = BatchBuilder.Build(_data.Texts, rows, _padId, CPU);
        var targets = _task.Targets(_data.LabelsOf(rows), CPU);
        var weights = _data.Weights is null ? null : tensor(Array.ConvertAll(rows, i => _data.Weights[i]));
        return new(
            new(Place(inputs.InputIds), inputs.AttentionMask is null ? null : Place(inputs.AttentionMask)),
            Place(targets),
            weights is null ? null : Place(weights),
            WeightOf(_data, rows));
    }

    private Tensor Place(Tensor value)
    {
        if (_device.type != TorchSharp.DeviceType.CPU)
            value = (_device.type == TorchSharp.DeviceType.CUDA ? value.pin_memory() : value).to(_device, false, false, true);
        return value.DetachFromDisposeScope();
    }
}
