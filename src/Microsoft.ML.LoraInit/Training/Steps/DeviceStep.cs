using Microsoft.ML.LoraInit.Training.Batching;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// The step on a GPU: batches of a few fixed shapes in buffers that stay in place, so that a shape's whole pass, and the
/// optimiser's update, are recorded once and then queued as one call each.
/// </summary>
internal sealed class DeviceStep : TrainingStep
{
    /// <summary>Shapes whose passes are recorded; further ones run call by call, which bounds the memory of recordings.</summary>
    private const int MaxCaptured = 48;

    private readonly GradientPass _pass;
    private readonly WorkCapture? _capture;
    private readonly Dictionary<PackedShape, ShapeBuffers> _shapes = [];
    private readonly Tensor _passScalars;   // fp64 [2]: dropout's seed, 1 / weight
    private readonly Tensor _updateScalars; // fp32 [3]: see FlatAdamW
    private CapturedWork? _update;
    private bool _updateRan;

    /// <param name="parts">What a step works on.</param>
    /// <param name="pass">Forward and backward; disposed with this.</param>
    /// <param name="capture">Records work; null to run call by call.</param>
    public DeviceStep(StepParts parts, GradientPass pass, WorkCapture? capture)
        : base(parts)
    {
        (_pass, _capture) = (pass, capture);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var device = parts.Model.Device;
        _passScalars = zeros(2, ScalarType.Float64, device).DetachFromDisposeScope();
        _updateScalars = zeros(FlatAdamW.ScalarCount, ScalarType.Float32, device).DetachFromDisposeScope();
        // Recordings write to where the gradient lies now.
        parts.Parameters.Gradient();
    }

    /// <summary>Shapes whose passes are recorded.</summary>
    public int CapturedShapes => _shapes.Values.Count(s => s.Captured is not null);

    public override IStepBatches Open(IReadOnlyList<int[]> plan)
    {
        var (request, config) = (Parts.Request, Parts.Model.Config);
        var pinned = Parts.Model.Device.type == TorchSharp.DeviceType.CUDA;
        return new Queue(new(plan, rows => PackedBatch.Build(
            request.Train, rows, request.Task, config.PadTokenId, request.Options.BatchSize, config.MaxLength, pinned)));
    }

    public override void Dispose()
    {
        _update?.Dispose();
        foreach (var shape in _shapes.Values)
            shape.Dispose();
        _pass.Dispose();
        _passScalars.Dispose();
        _updateScalars.Dispose();
    }

    protected override void Run(IStepBatches batches, int count, double inverseWeight, double learningRate)
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < count; i++)
        {
            using var batch = ((Queue)batches).Batches.Take();
            // 52 bits of the seed survive the trip as a double.
            using (no_grad())
                _passScalars.copy_(tensor(new[] { DropoutSeed(i) >> 12, inverseWeight }), true);
            Accumulate(batch);
        }
        using (no_grad())
            _updateScalars.copy_(tensor(Parts.Optimizer.NextScalars(learningRate)), true);
        Update();
    }

    private void Accumulate(PackedBatch batch)
    {
        if (!_shapes.TryGetValue(batch.Shape, out var buffers))
        {
            buffers = new ShapeBuffers(batch.Shape, _passScalars, Parts.Model.Config, DropsOut);
            _shapes.Add(batch.Shape, buffers);
            if (_capture is not null && CapturedShapes < MaxCaptured)
                Capture(buffers);
        }
        buffers.Upload(batch);
        if (buffers.Captured is { } captured)
            captured.Replay();
        else
            _pass.Run(buffers.Inputs(), Parts.State.LossSum);
    }

    private void Capture(ShapeBuffers buffers)
    {
        // Libraries set themselves up at first use, which cannot be recorded: two rows of weight 0 change nothing.
        using (NewDisposeScope())
            _pass.Run(buffers.WarmUp(), Parts.State.LossSum);
        buffers.Captured = _capture!.TryCapture(() =>
        {
            using var scope = NewDisposeScope();
            _pass.Run(buffers.Inputs(), Parts.State.LossSum);
        }, out var why);
        if (why is not null)
            Parts.Request.Log?.Invoke($"Training steps of {buffers.Shape.Rows} × {buffers.Shape.Length} tokens run call by call: {why}");
    }

    private void Update()
    {
        // The first update runs call by call, as a warm-up; with a preconditioner all do.
        if (_update is null && _updateRan && _capture is not null && Parts.Preconditioner is null)
            _update = _capture.TryCapture(UpdateNow, out _);
        _updateRan = true;
        if (_update is not null)
            _update.Replay();
        else
            UpdateNow();
    }

    private void UpdateNow() => Parts.Optimizer.Update(
        _updateScalars, Parts.Request.Options.MaxGradientNorm, Parts.Preconditioner is { } preconditioner ? preconditioner.Apply : null);

    private sealed record Queue(PrefetchQueue<PackedBatch> Batches) : IStepBatches
    {
        public void Dispose() => Batches.Dispose();
    }
}
