using System.Numerics;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Passes over small batches on a GPU, which take as long as the calls that queue their kernels: the pass of a shape that comes again and
/// again is recorded, and queued as one call from then on. Rows are padded to a few lengths, and batches filled up to a few sizes, some 70
/// shapes in all. Any number of threads may call.
/// </summary>
/// <remarks>
/// Recordings share their memory and are queued on the default stream, so that they run one after another. A thread with a stream of its
/// own, a batch that is larger, and a shape that cannot be recorded go call by call.
/// </remarks>
internal sealed class RecordedPasses : IDisposable
{
    /// <summary>Rows of the largest call; larger ones are a data set's windows, which are queued while the device computes.</summary>
    internal const int MaxRows = 64;

    /// <summary>Tokens of the largest batch; for more than these the device takes longer than the calls.</summary>
    internal const int MaxTokens = 4096;

    /// <summary>How often a shape goes call by call first: what comes once may never come again.</summary>
    internal const int CallsBefore = 1;

    /// <summary>What others in the process do may spoil a recording; after so many failures a shape goes call by call.</summary>
    internal const int MaxAttempts = 3;

    private readonly MergedModel _model;
    private readonly RobertaConfig _config;
    private readonly WorkCapture _capture;
    private readonly Func<bool> _mayReplay;
    private readonly int _maxTokens;
    private readonly Lock _turns = new();
    private readonly Dictionary<Shape, Pass> _passes = [];
    private int _recorded;

    /// <param name="model">What is run; not owned.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="capture">Records.</param>
    /// <param name="mayReplay">Whether this thread queues where recordings may be launched.</param>
    /// <param name="maxTokens">Tokens a batch at most, what it is filled up with included.</param>
    public RecordedPasses(MergedModel model, RobertaConfig config, WorkCapture capture, Func<bool> mayReplay, int maxTokens) =>
        (_model, _config, _capture, _mayReplay, _maxTokens) = (model, config, capture, mayReplay, Math.Min(maxTokens, MaxTokens));

    /// <summary>Shapes whose passes are recorded.</summary>
    public int Recorded => Volatile.Read(ref _recorded);

    /// <summary>Null where the model's device records nothing.</summary>
    public static RecordedPasses? For(MergedModel model, RobertaConfig config, int maxTokens)
    {
        var device = model.Device;
        if (device.type != TorchSharp.DeviceType.CUDA || !CudaGraph.IsAvailable(out _))
            return null;
        return new(model, config, new PassCapture(device), () => CudaStreams.CurrentHandle(device.index) == 0, maxTokens);
    }

    /// <summary>What the model gives for the chosen rows, fp32 [rows, outputs] in the current dispose scope; null where the batch has to go call by call.</summary>
    /// <param name="texts">All rows of the call.</param>
    /// <param name="rows">Indices of the chosen ones; at least one.</param>
    public Tensor? TryForward(IReadOnlyList<EncodedText> texts, int[] rows)
    {
        if (texts.Count > MaxRows)
            return null;
        var shape = Shape.Of(texts, rows, _config.MaxLength);
        if (shape.Tokens > _maxTokens || !_mayReplay())
            return null;
        // To the end: what a recording reads and writes is the next call's too, and the stream keeps the order.
        lock (_turns)
        {
            if (Ready(shape) is not { } pass)
                return null;
            using (var host = BatchBuilder.Host(texts, rows, _config.PadTokenId, shape.Rows, shape.Length))
            using (var pinned = pass.Ids.device_type == TorchSharp.DeviceType.CUDA ? host.pin_memory() : host.alias())
                pass.Ids.copy_(pinned, true);
            pass.Work!.Replay();
            using var output = pass.Output.narrow(0, 0, rows.Length);
            return output.clone();
        }
    }

    public void Dispose()
    {
        foreach (var pass in _passes.Values)
            pass.Dispose();
    }

    /// <summary>The shape's pass if it is recorded, now or before.</summary>
    private Pass? Ready(Shape shape)
    {
        if (!_passes.TryGetValue(shape, out var pass))
            _passes.Add(shape, pass = new());
        if (pass.Work is not null)
            return pass;
        if (pass.Calls++ < CallsBefore || pass.Attempts == MaxAttempts)
            return null;
        Record(shape, pass);
        return pass.Work is null ? null : pass;
    }

    private void Record(Shape shape, Pass pass)
    {
        using (NewDisposeScope())
        {
            // Any ids do; a text's first is never padding.
            pass.Ids ??= Numbers.Full(shape.Rows * shape.Length, _config.PadTokenId + 1L, ScalarType.Int64, _model.Device).view(shape.Rows, shape.Length).DetachFromDisposeScope();
            pass.Output ??= zeros(shape.Rows, _model.Outputs, ScalarType.Float32, _model.Device).DetachFromDisposeScope();
        }
        pass.Work = _capture.TryCapture(
            () =>
            {
                using var inference = inference_mode();
                using var scope = NewDisposeScope();
                pass.Output.copy_(_model.forward(new(pass.Ids, pass.Ids.Ne(_config.PadTokenId))));
            },
            out var why);
        if (pass.Work is not null)
            Volatile.Write(ref _recorded, _recorded + 1);
        else if (why is not null)
            pass.Attempts++;
    }

    /// <summary>Batches of one shape have one recording.</summary>
    private readonly record struct Shape(int Rows, int Length)
    {
        private const int Multiple = 8; // as tensor cores like them

        public int Tokens => Rows * Length;

        /// <summary>Rows: 1, 2, 4, 8, …; tokens: 8, 16, 24, 32, 48, 64, 96, … and the model's maximum.</summary>
        public static Shape Of(IReadOnlyList<EncodedText> texts, int[] rows, int maxLength)
        {
            int longest = rows.Max(row => texts[row].Length), power = Power(Math.Max(longest, Multiple)), between = power / 4 * 3;
            return new(Power(rows.Length), Math.Min(longest <= between && between % Multiple == 0 ? between : power, maxLength));
        }

        private static int Power(int number) => (int)BitOperations.RoundUpToPowerOf2((uint)number);
    }

    private sealed class Pass : IDisposable
    {
        public int Calls { get; set; }

        public int Attempts { get; set; }

        /// <summary>Int64 [rows, length], overwritten before each replay.</summary>
        public Tensor Ids { get; set; } = null!;

        /// <summary>Fp32 [rows, outputs], overwritten by each replay.</summary>
        public Tensor Output { get; set; } = null!;

        public CapturedWork? Work { get; set; }

        public void Dispose()
        {
            Work?.Dispose();
            Ids?.Dispose();
            Output?.Dispose();
        }
    }
}
