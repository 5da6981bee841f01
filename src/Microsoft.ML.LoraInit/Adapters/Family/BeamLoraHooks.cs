using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>BeamLoRA's exchanges of weak ranks for strong ones.</summary>
internal sealed class BeamLoraHooks : MethodHooks
{
    private readonly MethodRun _run;
    private readonly BeamLoraMethod _method;
    private readonly IReadOnlyList<GatedAdapter> _adapters;
    private readonly int _every;
    private readonly long _until;
    private readonly Tensor _values, _first, _second; // as they were half an interval before an exchange

    public BeamLoraHooks(MethodRun run, BeamLoraMethod method)
    {
        (_run, _method, _adapters) = (run, method, run.Adapters<GatedAdapter>());
        _every = method.Every ?? (int)Math.Max(2, run.Steps / 12);
        _until = method.UntilSteps ?? Math.Max(1, 2 * run.Steps / 3);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = run.Parameters.Flat.detach();
        (_values, _first, _second) = (flat.clone().DetachFromDisposeScope(), zeros_like(flat).DetachFromDisposeScope(), zeros_like(flat).DetachFromDisposeScope());
    }

    public override IEnumerable<KeyValuePair<string, Tensor>> State => [new("values", _values), new("first", _first), new("second", _second)];

    public override void AfterUpdate(long step, double learningRate)
    {
        var done = step + 1;
        var (first, second) = _run.Moments;
        var values = _run.Parameters.Flat.detach();
        if (done % _every == _every / 2)
        {
            _values.copy_(values);
            _first.copy_(first);
            _second.copy_(second);
        }
        if (done % _every == 0 && _run.Steps - done >= _every && done <= _until)
            Exchange(done, values, first, second);
    }

    /// <summary>Which ranks of each layer are weak, by their importance.</summary>
    /// <param name="importance">g of each layer.</param>
    /// <param name="share">1 − η.</param>
    internal static bool[][] Weak(float[][] importance, double share)
    {
        var order = importance.SelectMany((layer, l) => layer.Select((value, rank) => (value, l, rank))).OrderByDescending(e => e.value).ToArray();
        var weak = Array.ConvertAll(importance, layer => new bool[layer.Length]);
        double sum = 0, limit = share * order.Length; // a layer's g add up to its rank
        foreach (var (value, layer, rank) in order)
        {
            sum += value;
            weak[layer][rank] = sum > limit;
        }
        return weak;
    }

    private void Exchange(long done, Tensor values, Tensor first, Tensor second)
    {
        var share = 1 - ((1 - _method.Keep) * (1 + Math.Cos(Math.PI * done / _until)) / 2);
        var importance = _adapters.Select(a => _method.Importance(_run.Place(a.Gate).Of(values)).cpu().data<float>().ToArray()).ToArray();
        var weak = Weak(importance, share);
        var random = new SeededRandom(SeededRandom.Hash(_run.Seed, $"beamlora/{done}"));
        for (int i = 0; i < _adapters.Count; i++)
        {
            var gate = _run.Place(_adapters[i].Gate);
            gate.Of(first).zero_();
            gate.Of(second).zero_();
            long[] to = [.. Enumerable.Range(0, weak[i].Length).Where(r => weak[i][r])];
            if (to.Length == 0)
                continue;
            long[] from = [.. Enumerable.Range(0, weak[i].Length).OrderByDescending(r => importance[i][r]).Take(to.Length)];
            random.Shuffle<long>(from);
            var (target, source) = (tensor(to).to(values.device), tensor(from).to(values.device));
            foreach (var (now, then) in new[] { (values, _values), (first, _first), (second, _second) })
            {
                Copy(_run.Place(_adapters[i].A), now, then, 0, target, source);
                Copy(_run.Place(_adapters[i].B), now, then, 1, target, source);
            }
            var p = gate.Of(values);
            var mean = p.index_select(0, target).Add(p.index_select(0, source)).Div(2);
            p.index_copy_(0, target, mean);
            p.index_copy_(0, source, mean);
        }
    }

    private static void Copy(FlatPlace place, Tensor now, Tensor then, long dimension, Tensor to, Tensor from) =>
        place.Of(now).index_copy_(dimension, to, place.Of(then).index_select(dimension, from));
}
