using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>AdaLoRA's penalty, scores and cuts. Nothing in it waits for the device.</summary>
internal sealed class AdaLoraHooks : MethodHooks
{
    private readonly TrainableParameters _parameters;
    private readonly BudgetSchedule _schedule;
    private readonly AdaLoraMethod _method;
    private readonly IReadOnlyList<GatedAdapter> _adapters;
    private readonly (FlatPlace A, FlatPlace B, FlatPlace Gate)[] _places;
    private readonly Tensor _sensitivity, _uncertainty; // Ī and Ū, aligned with the flat parameters
    private readonly Tensor _kept;                      // [triplets], 1 where the last cut left λ
    private Tensor? _gradient;

    public AdaLoraHooks(MethodRun run, BudgetSchedule schedule, AdaLoraMethod method)
    {
        (_parameters, _schedule, _method) = (run.Parameters, schedule, method);
        _adapters = run.Adapters<GatedAdapter>();
        _places = [.. _adapters.Select(a => (run.Place(a.A), run.Place(a.B), run.Place(a.Gate)))];
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = _parameters.Flat.detach();
        _sensitivity = zeros_like(flat).DetachFromDisposeScope();
        _uncertainty = zeros_like(flat).DetachFromDisposeScope();
        _kept = ones(schedule.Initial, device: flat.device).DetachFromDisposeScope();
    }

    public override IEnumerable<KeyValuePair<string, Tensor>> State =>
        [new("sensitivity", _sensitivity), new("uncertainty", _uncertainty), new("kept", _kept)];

    public override Tensor Penalty() => Orthogonality.Of(_adapters).Mul(_method.OrthogonalityWeight / (2 * _adapters.Count));

    // What the update leaves behind may have been zeroed, and the values are those after it.
    public override void BeforeUpdate(long step, double learningRate)
    {
        if (step < _schedule.LastCut)
            _gradient = _parameters.Gradient().clone().DetachFromDisposeScope();
    }

    public override void AfterUpdate(long step, double learningRate)
    {
        var values = _parameters.Flat.detach();
        if (step < _schedule.LastCut)
            Measure(values);
        if (step <= _schedule.LastCut && _schedule.At(step) is { } budget)
            Cut(budget);
        else if (step < _schedule.LastCut)
            return; // what was zeroed may come back
        var kept = _kept.split([.. _adapters.Select(a => (long)a.Target.Rank)]);
        for (int i = 0; i < _places.Length; i++)
            _places[i].Gate.Of(values).mul_(kept[i]);
    }

    public override void Dispose()
    {
        base.Dispose();
        _gradient?.Dispose();
    }

    private void Measure(Tensor values)
    {
        using var gradient = _gradient!;
        _gradient = null;
        var (beta1, beta2) = (_method.Beta1, _method.Beta2);
        var now = values.mul(gradient).abs_();
        _sensitivity.Mul_(beta1).Add_(now, 1 - beta1);
        _uncertainty.Mul_(beta2).Add_(now.sub_(_sensitivity).abs_(), 1 - beta2);
    }

    private void Cut(int budget)
    {
        var surplus = _schedule.Initial - budget;
        if (surplus <= 0)
        {
            _kept.Fill_(1);
            return;
        }
        var scores = _sensitivity * _uncertainty;
        var triplets = cat([.. _places.Select(p => p.Gate.Of(scores).Add(p.A.Of(scores).mean([1L])).Add(p.B.Of(scores).mean([0L])))]);
        var threshold = triplets.kthvalue(surplus, 0).values;
        _kept.copy_(triplets.gt(threshold));
    }
}
