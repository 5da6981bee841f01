using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>The model on one of the other devices of a run, on a thread and a stream of its own.</summary>
internal sealed class Replica : IDisposable
{
    private readonly Device _device;
    private readonly ConcurrentQueue<string> _messages = new();
    private readonly WorkerThread _thread;
    private CudaStreamScope? _stream;
    private RobertaClassifier? _model;
    private TrainableParameters? _parameters;
    private Tensor? _sent;
    private DeviceGradients? _gradients;

    /// <param name="parts">The run on its first device.</param>
    /// <param name="device">The other device.</param>
    /// <param name="work">How it computes; called on the replica's thread.</param>
    public Replica(StepParts parts, Device device, Func<GradientParts, DeviceWork> work)
    {
        _device = device;
        _thread = new WorkerThread($"training on {device}");
        try
        {
            _thread.Run(() => Open(parts, work));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The step's gradient and, last, its sum of losses: fp32 [count + 1] on the replica's device. Zero where it had no rows.</summary>
    public Tensor Sent => _sent!;

    /// <summary>The trained values, fp32 [count] on the replica's device; a new handle in the caller's scope.</summary>
    public Tensor Values => _parameters!.Flat.detach();

    /// <summary>Adds a share of a batch on the replica's thread.</summary>
    /// <param name="share">The rows, to be kept until the task ends; null for none.</param>
    /// <param name="seed">Of their dropout.</param>
    /// <param name="inverseWeight">One over the sum of weights of the whole optimiser step.</param>
    /// <param name="first">Whether a step begins, for which <see cref="Sent"/> starts at zero.</param>
    /// <returns>Ends when all is queued on the device.</returns>
    public Task Add(BatchBuffer? share, ulong seed, double inverseWeight, bool first) => _thread.Post(() =>
    {
        using var scope = NewDisposeScope();
        if (first)
            using (no_grad())
                Sent.zero_();
        if (share is not null)
            _gradients!.Add(share, seed, inverseWeight);
    });

    /// <inheritdoc cref="DeviceGradients.Expect"/>
    public void Expect(BatchBufferShape shape) => _thread.Run(() =>
    {
        using var scope = NewDisposeScope();
        _gradients!.Expect(shape);
    });

    /// <summary>
    /// Lets the calling thread queue on the replica's stream until disposal, while no share is being added: copies between
    /// devices then wait for what the replica has queued, and it for them, without a wait on the host.
    /// </summary>
    public IDisposable? Join() => _stream?.Join();

    /// <summary>Hands over what the replica had to say since the last call.</summary>
    public void Tell(Action<string>? log)
    {
        while (_messages.TryDequeue(out var message))
            log?.Invoke($"{_device}: {message}");
    }

    public void Dispose()
    {
        try
        {
            _thread.Run(Close);
        }
        finally
        {
            _thread.Dispose();
        }
    }

    private void Open(StepParts parts, Func<GradientParts, DeviceWork> work)
    {
        _stream = DeviceWork.Stream(_device);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _model = ModelReplica.Create(parts.Model, parts.Request.Settings.Method, _device);
        _parameters = new TrainableParameters(_model.Parameters);
        var count = _parameters.Count;
        _sent = zeros(count + 1, ScalarType.Float32, _device).DetachFromDisposeScope();
        var own = new GradientParts(parts.Request with { Log = _messages.Enqueue }, _model, _parameters, _sent.narrow(0, count, 1).DetachFromDisposeScope());
        _gradients = new DeviceGradients(own, work(own), _sent.narrow(0, 0, count));
    }

    private void Close()
    {
        try
        {
            _gradients?.Dispose();
            _sent?.Dispose();
            _parameters?.Dispose();
            _model?.Dispose();
        }
        finally
        {
            _stream?.Dispose();
        }
    }
}
