using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>The optimiser's update on a device, recorded once and then queued as one call.</summary>
internal sealed class DeviceUpdate : IDisposable
{
    private readonly StepParts _parts;
    private readonly WorkCapture? _capture;
    private readonly Tensor _scalars; // fp32: see FlatAdamW.NextScalars
    private CapturedWork? _captured;
    private bool _ran;

    /// <param name="parts">What a step works on.</param>
    /// <param name="capture">Records work; null to run call by call.</param>
    public DeviceUpdate(StepParts parts, WorkCapture? capture)
    {
        (_parts, _capture) = (parts, capture);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _scalars = zeros(FlatAdamW.ScalarCount, ScalarType.Float32, parts.Model.Device).DetachFromDisposeScope();
    }

    /// <summary>Queues clipping, the update, and zeroing the gradient. Leaves tensors in the caller's dispose scope.</summary>
    public void Run(double learningRate)
    {
        using (no_grad())
            _scalars.copy_(tensor(_parts.Optimizer.NextScalars(learningRate)), true);
        // The first update runs call by call, as a warm-up; all do where something comes between clipping and it.
        var before = _parts.BeforeUpdate;
        if (_captured is null && _ran && _capture is not null && before is null)
            _captured = _capture.TryCapture(() => UpdateNow(null), out _);
        _ran = true;
        if (_captured is not null)
            _captured.Replay();
        else
            UpdateNow(before is null ? null : () => before(learningRate));
        _parts.AfterUpdate(learningRate);
    }

    public void Dispose()
    {
        _captured?.Dispose();
        _scalars.Dispose();
    }

    private void UpdateNow(Action? before) => _parts.Optimizer.Update(_scalars, _parts.Request.Settings.Optimizer.MaxGradientNorm, before);
}
