using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>RoSA's collection of gradients, choice of places, and steps of S.</summary>
internal sealed class RosaHooks : MethodHooks
{
    private readonly RosaMethod _method;
    private readonly TrainableParameters _parameters;
    private readonly Layer[] _layers;
    private readonly bool _learnsOn; // S has its places from an earlier training
    private bool _chosen;

    /// <summary>An adapter, where its values lie, and Adam's moments of them.</summary>
    private sealed record Layer(RosaAdapter Adapter, FlatPlace Values, double Decay, AdamMoments Moments)
    {
        /// <summary>W's gradients added up, [out, in]; null once the places are chosen.</summary>
        public Tensor? Sum { get; set; }
    }

    public RosaHooks(MethodRun run, RosaMethod method)
    {
        (_parameters, _method) = (run.Parameters, method);
        using var noGrad = no_grad();
        var device = _parameters.Flat.device;
        _learnsOn = run.Adapters<RosaAdapter>().Any(a => a.Values.Value.any().item<bool>());
        _layers =
        [
            .. run.Adapters<RosaAdapter>().Select(a => new Layer(a, run.Place(a.Values), run.Decay(a.Values), new(device, a.Values.Shape))
            {
                Sum = zeros(a.Target.OutFeatures, a.Target.InFeatures, device: device).DetachFromDisposeScope(),
            }),
        ];
    }

    // Before, a pass has a probe or no S.
    public override bool PassesMayBeRecorded => _chosen;

    public override IEnumerable<KeyValuePair<string, Tensor>> State => _layers.SelectMany((l, i) => l.Moments.State($"{i}")
        .Append(new($"{i}/places", l.Adapter.Places.Value))
        .Concat(l.Sum is null ? [] : [new($"{i}/sum", l.Sum)]));

    /// <summary>The first step that S is trained in.</summary>
    private long First => _learnsOn ? 0 : _method.Warmup + (long)_method.Gradients;

    public override void ResumeAt(long step)
    {
        if (step >= First)
            EndCollection();
    }

    public override void BeforeStep(long step)
    {
        _chosen = step >= First;
        foreach (var layer in _layers)
        {
            layer.Adapter.Values.Rests = !_chosen;
            if (step >= _method.Warmup && !_chosen)
                layer.Adapter.Probe ??= Probe(layer.Sum!);
        }
    }

    public override void BeforeUpdate(long step, double learningRate)
    {
        if (!_chosen)
            return;
        var (values, gradient) = (_parameters.Flat.detach(), _parameters.Gradient());
        foreach (var layer in _layers)
        {
            using var scope = NewDisposeScope();
            var direction = layer.Moments.Direction(layer.Values.Of(gradient), step - First + 1);
            layer.Values.Of(values).Mul_(1 - (learningRate * layer.Decay)).Add_(direction, -learningRate);
        }
    }

    public override void AfterUpdate(long step, double learningRate)
    {
        if (step < _method.Warmup || _chosen)
            return;
        foreach (var layer in _layers)
        {
            using var scope = NewDisposeScope();
            // A step whose rows count for nothing may leave none.
            if (layer.Adapter.Probe!.grad is not { } gradient)
                continue;
            layer.Sum!.Add_(_method.Squared ? gradient.Square() : gradient);
            gradient.zero_();
        }
        if (step + 1 < First)
            return;
        foreach (var layer in _layers)
            Choose(layer);
        EndCollection();
    }

    public override void Dispose()
    {
        EndCollection();
        foreach (var layer in _layers)
        {
            layer.Moments.Dispose();
            layer.Adapter.Values.Rests = false;
        }
    }

    private static void Choose(Layer layer)
    {
        using var scope = NewDisposeScope();
        var places = layer.Adapter.Places.Value;
        var columns = tensor((long)layer.Adapter.Target.InFeatures, device: places.device);
        var largest = layer.Sum!.abs().view(-1).topk((int)places.shape[1], sorted: false).indexes.sort().Values;
        places.copy_(stack([largest.floor_divide(columns), largest.remainder(columns)]));
    }

    private void EndCollection()
    {
        foreach (var layer in _layers)
        {
            layer.Adapter.Probe?.grad?.Dispose();
            layer.Adapter.Probe?.Dispose();
            layer.Adapter.Probe = null;
            layer.Sum?.Dispose();
            layer.Sum = null;
        }
    }

    private static Tensor Probe(Tensor like)
    {
        using var noGrad = no_grad();
        return zeros_like(like).DetachFromDisposeScope().requires_grad_(true);
    }
}
