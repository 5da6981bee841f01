using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>Where the batches of one shape lie on the device, and the recorded pass that reads them there.</summary>
internal sealed class ShapeBuffers : IDisposable
{
    private const int WarmUpRows = 2;

    private readonly Tensor _integers;
    private readonly Tensor _floats;
    private readonly Tensor _scalars;
    private readonly bool _drops;

    /// <param name="shape">The batches' shape.</param>
    /// <param name="scalars">Fp64 [2]: dropout's seed and 1 / weight; not owned.</param>
    /// <param name="config">The model's.</param>
    /// <param name="drops">Whether anything is dropped out.</param>
    public ShapeBuffers(BatchBufferShape shape, Tensor scalars, RobertaConfig config, bool drops)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Shape = shape;
        _scalars = scalars;
        _drops = drops;
        // Ids of padding and lengths of 1 until the first batch comes: harmless to compute with.
        _integers = Numbers.Full(shape.IntegerCount, config.PadTokenId, ScalarType.Int64, scalars.device).DetachFromDisposeScope();
        _integers.narrow(0, (long)shape.Rows * shape.Length, shape.IntegerCount - (long)shape.Rows * shape.Length).zero_();
        _integers.narrow(0, (long)shape.Rows * shape.Length, shape.Rows).Fill_(1);
        _integers.narrow(0, 0, (long)shape.Rows * shape.Length).view(shape.Rows, shape.Length).select(1, 0).zero_();
        _floats = zeros(shape.FloatCount, ScalarType.Float32, scalars.device).DetachFromDisposeScope();
    }

    public BatchBufferShape Shape { get; }

    /// <summary>The recorded pass; null where it runs call by call.</summary>
    public CapturedWork? Captured { get; set; }

    /// <summary>How often recording was tried.</summary>
    public int Attempts { get; set; }

    /// <summary>Queues the copy of a batch to the device.</summary>
    public void Upload(BatchBuffer batch)
    {
        using var noGrad = no_grad();
        _integers.copy_(batch.Integers, true);
        _floats.copy_(batch.Floats, true);
    }

    /// <summary>The batch as a pass reads it; views and small tensors in the caller's scope.</summary>
    public StepInputs Inputs() => Inputs(Shape.Rows);

    /// <summary>The first rows before any batch has come: their weights are 0.</summary>
    public StepInputs WarmUp()
    {
        using var noGrad = no_grad();
        var inputs = Inputs(Math.Min(WarmUpRows, Shape.Rows));
        return inputs with { Weights = zeros_like(inputs.Weights!) };
    }

    public void Dispose()
    {
        Captured?.Dispose();
        _integers.Dispose();
        _floats.Dispose();
    }

    private StepInputs Inputs(int rows)
    {
        using var noGrad = no_grad();
        long tokens = (long)Shape.Rows * Shape.Length;
        var ids = _integers.narrow(0, 0, (long)rows * Shape.Length).view(rows, Shape.Length);
        var lengths = _integers.narrow(0, tokens, rows);
        // Lengths rather than the padding id decide: one comparison for every shape.
        var mask = Shape.Padded ? Numbers.Arange(Shape.Length, ScalarType.Int64, ids.device).unsqueeze(0).lt(lengths.unsqueeze(1)) : null;
        var targets = (Shape.IntegerTargets ? _integers : _floats).narrow(0, Shape.TargetStart, rows * Shape.TargetsARow);
        return new(
            new EncodedBatch(ids, mask),
            Shape.Padded ? lengths : null,
            Shape.TargetDimensions > 1 ? targets.view(rows, Shape.TargetsARow) : targets,
            _floats.narrow(0, 0, rows),
            _scalars.narrow(0, 1, 1).to(ScalarType.Float32).squeeze(0))
        {
            Seed = _drops ? _scalars.narrow(0, 0, 1).to(ScalarType.Int64) : null,
        };
    }
}
