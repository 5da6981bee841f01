using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data.Batching;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// The step on several devices: each has the model and computes the gradient of its share of every batch; the first one adds
/// the gradients up in the devices' order, updates, and sends the new values to the others. Together the shares are weighted as
/// the whole batch, so that the result is one device's but for rounding and, with dropout, the masks.
/// </summary>
internal sealed class ParallelStep : TrainingStep
{
    private readonly DeviceGradients _gradients;
    private readonly DeviceUpdate _update;
    private readonly Replica[] _others;
    private readonly IDisposable?[] _joined;
    private readonly Tensor _received; // fp32 [count + 1]: see Replica.Sent

    private ParallelStep(StepParts parts, DeviceWork work, Replica[] others)
        : base(parts)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _others = others;
        _gradients = new DeviceGradients(parts.Gradients, work);
        _update = new DeviceUpdate(parts, work.Capture);
        _received = zeros(parts.Parameters.Count + 1, ScalarType.Float32, parts.Model.Device).DetachFromDisposeScope();
        _joined = Array.ConvertAll(others, o => o.Join());
        Send();
    }

    /// <param name="parts">What a step works on: model, parameters and optimiser on the first device.</param>
    /// <param name="work">How a device computes; called for each on the thread that it computes on. The passes are disposed with the step.</param>
    /// <returns>A step over <see cref="FineTuningRequest.OtherDevices"/> too, to be disposed of on the thread that made it.</returns>
    public static ParallelStep Create(StepParts parts, Func<GradientParts, DeviceWork> work)
    {
        var others = new List<Replica>();
        try
        {
            foreach (var device in parts.Request.OtherDevices)
                others.Add(new Replica(parts, device, work));
            return new(parts, work(parts.Gradients), [.. others]);
        }
        catch
        {
            foreach (var other in others)
                other.Dispose();
            throw;
        }
    }

    public override IStepBatches Open(IReadOnlyList<int[]> plan)
    {
        var devices = _others.Length + 1;
        var shareSize = (Parts.Request.Settings.Schedule.BatchSize + devices - 1) / devices;
        for (int k = 0; k < devices; k++)
        {
            var shares = plan.Select(rows => DealtBatch.Share(rows, devices, k));
            if (Longest(shares, shareSize) is not { } shape)
                continue;
            if (k == 0)
                _gradients.Expect(shape);
            else
                _others[k - 1].Expect(shape);
        }
        return new Queue(new(plan, rows => DealtBatch.Build(rows, devices, share => Pack(share, shareSize))));
    }

    public override void Dispose()
    {
        foreach (var joined in _joined)
            joined?.Dispose();
        // Every replica is freed, whatever is wrong with another.
        Exception? failure = null;
        foreach (var other in _others)
        {
            try
            {
                other.Dispose();
            }
            catch (Exception e)
            {
                failure ??= e;
            }
        }
        _update.Dispose();
        _gradients.Dispose();
        _received.Dispose();
        if (failure is not null)
            throw new InvalidOperationException($"A device could not be freed: {failure.Message}", failure);
    }

    protected override void Run(IStepBatches batches, int count, double inverseWeight, double learningRate)
    {
        using var scope = NewDisposeScope();
        AddUp((Queue)batches, count, inverseWeight);
        Receive();
        AddPenalty(inverseWeight);
        _update.Run(learningRate);
        Send();
    }

    /// <summary>Each device's gradient of its shares of the group's batches.</summary>
    private void AddUp(Queue batches, int count, double inverseWeight)
    {
        var dealt = new List<DealtBatch>();
        var running = new List<Task>();
        try
        {
            for (int i = 0; i < count; i++)
            {
                var batch = batches.Batches.Take();
                dealt.Add(batch);
                for (int k = 0; k < _others.Length; k++)
                    running.Add(_others[k].Add(batch.Shares[k + 1], DropoutSeed(i, k + 1), inverseWeight, i == 0));
                if (batch.Shares[0] is { } own)
                    _gradients.Add(own, DropoutSeed(i), inverseWeight);
            }
        }
        finally
        {
            // Nobody may be at work when this returns or throws: what others read is disposed of next.
            try
            {
                CudaGate.Wait(() => Task.WaitAll([.. running])); // the others may have to capture
            }
            catch (AggregateException)
            {
                // Thrown below, where this thread has not failed itself.
            }
            foreach (var batch in dealt)
                batch.Dispose();
            foreach (var other in _others)
                other.Tell(Parts.Request.Log);
        }
        foreach (var task in running)
            CudaGate.Wait(task.GetAwaiter().GetResult); // throws what the other thread threw
    }

    // Copies between devices are ordered after both devices' streams; see Replica.Join.
    private void Receive()
    {
        using var noGrad = no_grad();
        var count = Parts.Parameters.Count;
        var gradient = Parts.Parameters.Gradient();
        foreach (var other in _others)
        {
            _received.copy_(other.Sent, true);
            gradient.Add_(_received.narrow(0, 0, count));
            Parts.State.LossSum.Add_(_received.narrow(0, count, 1));
        }
    }

    private void Send()
    {
        using var noGrad = no_grad();
        foreach (var other in _others)
            other.Values.copy_(Parts.Parameters.Flat.detach(), true);
    }

    private sealed record Queue(PrefetchQueue<DealtBatch> Batches) : IStepBatches
    {
        public void Dispose() => Batches.Dispose();
    }
}
