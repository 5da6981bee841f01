using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// The encoder of a classifier for training plain LoRA over a frozen base: one product for queries, keys and values, a
/// backward pass without a tape that stops at the first adapted layer, and in the last layer only the first token's share.
/// The same function as <see cref="RobertaClassifier.Encode"/>; other kinds of training go that way.
/// </summary>
internal sealed class FusedEncoder : IDisposable
{
    private readonly RobertaClassifier _model;
    private readonly TrainableParameters _parameters;
    private readonly EncoderKernels _kernels;
    private readonly AdapterMatrices _matrices;
    private readonly FusedLayer[] _layers;
    private readonly int _firstAdapted;

    private FusedEncoder(RobertaClassifier model, TrainableParameters parameters, EncoderKernels kernels)
    {
        _model = model;
        _parameters = parameters;
        _kernels = kernels;
        var math = new LayerMath(kernels);
        var last = model.Layers.Count - 1;
        _layers = [.. model.Layers.Select((layer, i) => i == last
            ? (FusedLayer)new FusedLastLayer(layer, model.Config, kernels, math, i)
            : new FusedInnerLayer(layer, model.Config, kernels, math, i))];
        _firstAdapted = Array.FindIndex(_layers, l => l.IsAdapted);
        var plan = new MatrixPlan();
        foreach (var projection in Projections)
            projection.Place(plan, parameters);
        _matrices = new(plan, kernels, model.Base.DType, model.Device, Start());
        foreach (var projection in Projections)
            projection.Bind(_matrices);
    }

    /// <summary>The encoder of a model with its adapters on, or null where it trains something else than plain LoRA.</summary>
    public static FusedEncoder? TryCreate(RobertaClassifier model, TrainableParameters parameters, EncoderKernels kernels)
    {
        var adapters = model.Linears.Select(l => l.Adapter).OfType<LinearAdapter>().ToArray();
        var plain = adapters.Any(a => a is LoraAdapter lora && lora.A.Shape[0] > 0)
            && adapters.All(a => a is LoraAdapter { Dropout: 0, A.Trained: true }) // the products need every A
            && adapters.Select(a => a.Start is null).Distinct().Count() == 1
            && !model.Base.IsQuantized
            && model.BaseParameters.All(p => !p.Trained)
            && model.Layers.All(l => l.Bottlenecks.Count == 0);
        return plain ? new(model, parameters, kernels) : null;
    }

    /// <summary>The last hidden state of each row's first token.</summary>
    /// <param name="batch">The rows.</param>
    /// <param name="lengths">Int64 [batch], tokens a row; null where no row is padded.</param>
    /// <param name="seed">Int64 [1] on the device, for dropout; null for none.</param>
    /// <param name="gradient">Where the adapters' gradients are added, fp32, aligned with the flat parameters.</param>
    /// <returns>[batch, hidden], and what takes its gradient; to be called once, in the caller's scope.</returns>
    public (Tensor First, Action<Tensor> Backward) forward(EncodedBatch batch, Tensor? lengths, Tensor? seed, Tensor gradient)
    {
        using var noGrad = no_grad();
        _matrices.Load(_parameters.Flat);
        foreach (var projection in Projections)
            projection.Refresh();
        var pass = new EncoderPass((int)batch.Rows, (int)batch.Length, lengths, batch.AttentionMask?.unsqueeze(1).unsqueeze(1), seed);
        using var dropout = seed is null ? null : new KernelDropout(_kernels, seed);
        var x = _model.Embeddings.forward(batch, new ForwardContext { Dropout = dropout }).view(batch.Rows * batch.Length, -1);
        var results = new Stack<LayerResult>();
        for (int i = 0; i < _layers.Length; i++)
            x = i < _firstAdapted ? Frozen(i) : Adapted(i);
        return (x, Backward);

        Tensor Frozen(int i)
        {
            using var scope = NewDisposeScope();
            return _layers[i].forward(x, pass, wantsInput: false, RoomAfter(i)).Output.MoveToOuterDisposeScope();
        }

        Tensor Adapted(int i)
        {
            results.Push(_layers[i].forward(x, pass, wantsInput: i > _firstAdapted, RoomAfter(i)));
            return results.Peek().Output;
        }

        void Backward(Tensor incoming)
        {
            using var noGrad = no_grad();
            Tensor? current = incoming;
            while (results.TryPop(out var result))
                current = Back(result, current!);
            _matrices.AddGradients(gradient);
        }
    }

    private long RoomAfter(int layer) => layer + 1 < _layers.Length ? _layers[layer + 1].Room : 0;

    private IEnumerable<FusedProjection> Projections => _layers.SelectMany(l => l.Projections);

    public void Dispose()
    {
        foreach (var layer in _layers)
            layer.Dispose();
        _matrices.Dispose();
    }

    private Tensor? Start()
    {
        var adapters = _model.Linears.Select(l => l.Adapter).OfType<LowRankAdapter>().Where(a => a.Start is not null).ToArray();
        if (adapters.Length == 0)
            return null;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var start = zeros(_parameters.Count, ScalarType.Float32, _model.Device);
        foreach (var adapter in adapters)
        {
            Copy(adapter.A, adapter.Start!.Initial.A);
            Copy(adapter.B, adapter.Start.Initial.B);
        }
        return start.DetachFromDisposeScope();

        void Copy(Parameter parameter, Tensor value)
        {
            if (_parameters.Start(parameter) is { } first)
                start.narrow(0, first, parameter.Count).copy_(value.reshape(-1));
        }
    }

    private static Tensor? Back(LayerResult result, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        return result.Backward(gradient)?.MoveToOuterDisposeScope();
    }
}
