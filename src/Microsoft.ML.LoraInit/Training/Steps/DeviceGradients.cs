using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// Adds up the gradients of batches on one device. Batches of a few fixed shapes lie in buffers that stay in place, so that a
/// shape's whole pass is recorded once and then queued as one call. Belongs to the thread that makes it.
/// </summary>
internal sealed class DeviceGradients : IDisposable
{
    /// <summary>Shapes whose passes are recorded; further ones run call by call, which bounds the memory of recordings.</summary>
    private const int MaxCaptured = 48;

    /// <summary>Others in the process may spoil a recording; after so many failures a shape runs call by call.</summary>
    private const int MaxAttempts = 3;

    private readonly GradientParts _parts;
    private readonly GradientPass _pass;
    private readonly WorkCapture? _capture;
    private readonly Dictionary<BatchBufferShape, ShapeBuffers> _shapes = [];
    private readonly Tensor _scalars; // fp64 [2]: dropout's seed, 1 / weight

    /// <param name="parts">What a pass works on.</param>
    /// <param name="work">The pass, disposed with this, and what records it.</param>
    /// <param name="gradient">Where the gradient is added up, fp32 of the parameters' number; null for memory of its own.</param>
    public DeviceGradients(GradientParts parts, DeviceWork work, Tensor? gradient = null)
    {
        (_parts, _pass, _capture) = (parts, work.Pass, work.Capture);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _scalars = zeros(2, ScalarType.Float64, parts.Model.Device).DetachFromDisposeScope();
        // Recordings write to where the gradient lies now.
        if (gradient is not null)
            parts.Parameters.Flat.grad = gradient;
        else
            parts.Parameters.Gradient();
    }

    /// <summary>Shapes whose passes are recorded.</summary>
    public int CapturedShapes => _shapes.Values.Count(s => s.Captured is not null);

    /// <summary>Queues a batch's pass: its gradient and its losses are added. Leaves tensors in the caller's dispose scope.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="seed">Of its dropout.</param>
    /// <param name="inverseWeight">One over the sum of weights of the whole optimiser step.</param>
    public void Add(BatchBuffer batch, ulong seed, double inverseWeight)
    {
        // 52 bits of the seed survive the trip as a double.
        using (no_grad())
            _scalars.copy_(tensor(new[] { seed >> 12, inverseWeight }), true);
        var (buffers, recordable) = Buffers(batch.Shape);
        buffers.Upload(batch);
        if (recordable && buffers.Captured is { } captured)
            captured.Replay();
        else
            _pass.Run(buffers.Inputs(), _parts.LossSum);
    }

    /// <summary>
    /// Records the pass of a shape that will come. Recordings take their memory from what earlier ones have left free, which cannot be
    /// joined into larger pieces: with the largest shape first, the others need none of their own.
    /// </summary>
    public void Expect(BatchBufferShape shape) => Buffers(shape);

    public void Dispose()
    {
        foreach (var shape in _shapes.Values)
            shape.Dispose();
        _pass.Dispose();
        _scalars.Dispose();
    }

    /// <summary>The shape's buffers, recorded where they can be; and whether a recording may be replayed now.</summary>
    private (ShapeBuffers Buffers, bool Recordable) Buffers(BatchBufferShape shape)
    {
        if (!_shapes.TryGetValue(shape, out var buffers))
        {
            buffers = new ShapeBuffers(shape, _scalars, _parts.Model.Config, _parts.Request.DropsOut);
            _shapes.Add(shape, buffers);
        }
        var recordable = _capture is not null && _parts.MayBeRecorded();
        if (recordable && buffers.Captured is null && buffers.Attempts < MaxAttempts && CapturedShapes < MaxCaptured)
            Capture(buffers);
        return (buffers, recordable);
    }

    private void Capture(ShapeBuffers buffers)
    {
        // Libraries set themselves up at first use, which cannot be recorded: two rows of weight 0 change nothing.
        if (buffers.Attempts++ == 0)
            using (NewDisposeScope())
                _pass.Run(buffers.WarmUp(), _parts.LossSum);
        buffers.Captured = _capture!.TryCapture(() =>
        {
            using var scope = NewDisposeScope();
            _pass.Run(buffers.Inputs(), _parts.LossSum);
        }, out var why);
        if (why is not null && buffers.Attempts == MaxAttempts)
            _parts.Request.Log?.Invoke($"Training steps of {buffers.Shape.Rows} × {buffers.Shape.Length} tokens run call by call: {why}");
    }
}

/// <summary>What a pass on one device works on.</summary>
/// <param name="Request">The run.</param>
/// <param name="Model">The model with its adapters on.</param>
/// <param name="Parameters">What is trained, on the model's device.</param>
/// <param name="LossSum">Takes the weighted losses, [1], likewise.</param>
internal sealed record GradientParts(FineTuningRequest Request, RobertaClassifier Model, TrainableParameters Parameters, Tensor LossSum)
{
    /// <summary>Whether a pass of now may be recorded, and recordings replayed.</summary>
    public Func<bool> MayBeRecorded { get; init; } = () => true;
}
