using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>A batch over adapters on shelves. All places go to the device in one copy.</summary>
internal sealed class ShelvedBatch : IMixedBatch
{
    private readonly List<SharedLifetime.Use> _uses = [];
    private readonly List<ShelfSlice> _slices = [];
    private readonly ShelfPlan _adapters, _heads;
    private readonly Dictionary<Shelf, (HeadForm Form, IReadOnlyList<Tensor> Parts)> _headForms = [];
    private readonly Tensor _indices; // adapters' places, the heads' order, heads' places

    /// <param name="rows">Each row's adapter.</param>
    /// <param name="device">Where the shelves are.</param>
    public ShelvedBatch(IReadOnlyList<IAdapterWeights> rows, Device device)
    {
        ShelvedWeights[] weights = [.. rows.Cast<ShelvedWeights>()];
        _adapters = ShelfPlan.Create([.. weights.Select(w => w.Place)]);
        _heads = ShelfPlan.Create([.. _adapters.Order.Select(r => weights[r].Head)]);
        long[] indices =
        [
            .. _adapters.Order.Select(r => (long)(weights[r].Place?.Place ?? 0)),
            .. _heads.Order.Select(r => (long)r),
            .. _heads.Order.Select(r => (long)weights[_adapters.Order[r]].Head.Place),
        ];
        _indices = tensor(indices).to(device);
        try
        {
            foreach (var head in weights.Select(w => w.HeadForm).Distinct())
                _headForms.Add(head.Shelf, (head.Form, Read(head.Shelf)));
            var opened = weights.Select(w => w.Form).OfType<AdapterShelf>().Distinct().ToDictionary(f => f.Shelf, f => (f.Form, Parts: Read(f.Shelf)));
            foreach (var run in _adapters.Runs)
                _slices.Add(new(opened[run.Shelf].Form, opened[run.Shelf].Parts, part => Fetch(part, run, 0)));
        }
        catch
        {
            Dispose();
            throw;
        }
        Slices = [.. _slices.Zip(_adapters.Runs, (s, r) => new AdapterSlice(s, r.Start, r.Rows))];
    }

    public IReadOnlyList<int> Order => _adapters.Order;

    public IReadOnlyList<AdapterSlice> Slices { get; } = [];

    public IEnumerable<(IReadOnlyList<int> Rows, Tensor Logits)> Logits(Tensor first)
    {
        int count = Order.Count;
        var ordered = first.index_select(0, _indices.narrow(0, count, count));
        foreach (var run in _heads.Runs)
        {
            var (form, parts) = _headForms[run.Shelf];
            using var heads = Fetch(parts[0], run, 2 * count);
            int[] rows = [.. Enumerable.Range(run.Start, run.Rows).Select(r => Order[_heads.Order[r]])];
            yield return (rows, form.Logits(heads, ordered.narrow(0, run.Start, run.Rows)));
        }
    }

    public void Dispose()
    {
        foreach (var slice in _slices)
            slice.Dispose();
        foreach (var use in _uses)
            use.Dispose();
        _uses.Clear();
        _indices.Dispose();
    }

    private IReadOnlyList<Tensor> Read(Shelf shelf)
    {
        var (parts, use) = shelf.Read();
        _uses.Add(use);
        return parts;
    }

    private Tensor Fetch(Tensor part, ShelfRun run, long indices) => run.Place is { } place
        ? part.narrow(0, place, 1)
        : part.index_select(0, _indices.narrow(0, indices + run.Start, run.Rows));
}
