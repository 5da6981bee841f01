using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>ALoRA's rounds.</summary>
internal sealed class AloraHooks : MethodHooks
{
    private readonly MethodRun _run;
    private readonly AloraMethod _method;
    private readonly IReadOnlyList<GatedAdapter> _adapters;
    private readonly long _warmup, _interval;

    public AloraHooks(MethodRun run, AloraMethod method)
    {
        (_run, _method, _adapters) = (run, method, run.Adapters<GatedAdapter>());
        _warmup = method.WarmupSteps ?? Math.Max(1, run.Steps / 3);
        _interval = method.Interval ?? Math.Max(1, run.Steps / 12);
    }

    public override void AfterUpdate(long step, double learningRate)
    {
        var since = step + 1 - _warmup;
        // After the last step nothing would learn from it.
        if (since >= 0 && since % _interval == 0 && since / _interval < _method.Rounds && step + 1 < _run.Steps)
            Round(step + 1);
    }

    /// <summary>Which ranks close and how many open.</summary>
    /// <param name="importance">Of the open ranks of each layer; NaN for those that are closed.</param>
    /// <param name="moved">How many move.</param>
    internal static (bool[][] Closed, int[] Opened) Allocate(double[][] importance, int moved)
    {
        var closed = Array.ConvertAll(importance, layer => new bool[layer.Length]);
        var open = importance.SelectMany((layer, l) => layer.Select((value, rank) => (value, l, rank))).Where(e => !double.IsNaN(e.value)).OrderBy(e => e.value).ToArray();
        moved = Math.Min(moved, open.Length - 1);
        foreach (var (_, layer, rank) in open.Take(moved))
            closed[layer][rank] = true;
        var opened = new int[importance.Length];
        // A layer without an open rank has no importance that would speak for it.
        int[] takers = [.. Enumerable.Range(0, importance.Length).Where(l => !closed[l].Contains(true) && importance[l].Any(v => !double.IsNaN(v)))
            .OrderByDescending(l => importance[l].Where(v => !double.IsNaN(v)).Average())];
        for (bool found = true; moved > 0 && found;)
        {
            found = false;
            foreach (var layer in takers.Where(l => opened[l] < importance[l].Count(double.IsNaN)))
                if (moved > 0)
                    (found, moved, opened[layer]) = (true, moved - 1, opened[layer] + 1);
        }
        return (closed, opened);
    }

    private void Round(long done)
    {
        var values = _run.Parameters.Flat.detach();
        var gates = _adapters.Select(a => _run.Place(a.Gate).Of(values)).ToArray();
        var (closed, opened) = Allocate(Importance(gates), _method.Moved ?? _adapters.Count);
        for (int i = 0; i < _adapters.Count; i++)
        {
            var free = gates[i].Eq(0).cpu().data<bool>().ToArray();
            for (int rank = 0; rank < free.Length; rank++)
                if (closed[i][rank])
                    gates[i][rank] = 0f;
            var target = _adapters[i].Target;
            using var random = InitializationContext.Random(target, $"alora/{done}", _run.Seed);
            foreach (var rank in Enumerable.Range(0, free.Length).Where(r => free[r]).Take(opened[i]))
            {
                Fill(i, rank, values, row => row.copy_(empty(target.InFeatures).uniform_(-1 / Math.Sqrt(target.InFeatures), 1 / Math.Sqrt(target.InFeatures), random)));
                gates[i][rank] = 1f;
            }
        }
    }

    private void Fill(int layer, int rank, Tensor values, Action<Tensor> start)
    {
        var (a, b) = (_run.Place(_adapters[layer].A), _run.Place(_adapters[layer].B));
        start(a.Of(values).select(0, rank));
        b.Of(values).select(1, rank).zero_();
        foreach (var moment in new[] { _run.Moments.First, _run.Moments.Second })
        {
            a.Of(moment).select(0, rank).zero_();
            b.Of(moment).select(1, rank).zero_();
        }
    }

    /// <summary>S(M with it alone) − S(M without it) of each open rank; NaN for closed ones.</summary>
    private double[][] Importance(Tensor[] gates)
    {
        var before = Array.ConvertAll(gates, g => g.clone());
        var importance = Array.ConvertAll(gates, g => Enumerable.Repeat(double.NaN, (int)g.shape[0]).ToArray());
        for (int i = 0; i < gates.Length; i++)
        {
            var open = before[i].cpu().data<float>().ToArray();
            for (int rank = 0; rank < open.Length; rank++)
            {
                if (open[rank] == 0)
                    continue;
                gates[i][rank] = 0f;
                var without = -_run.Judge();
                foreach (var gate in gates)
                    gate.zero_();
                gates[i][rank] = 1f;
                var alone = -_run.Judge();
                for (int j = 0; j < gates.Length; j++)
                    gates[j].copy_(before[j]);
                importance[i][rank] = alone - without;
            }
        }
        return importance;
    }
}
