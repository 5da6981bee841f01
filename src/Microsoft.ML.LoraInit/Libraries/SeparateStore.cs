using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// Every adapter by itself, which shares the memory of what a library saves and copies nothing to score: for CPUs, where calls are cheap
/// beside what they compute.
/// </summary>
/// <param name="device">Where the base is.</param>
/// <param name="type">The base's type.</param>
internal sealed class SeparateStore(Device device, ScalarType type) : IAdapterStore
{
    public IAdapterWeights Add(AdapterFactors factors) => new SeparateWeights(factors, device, type);

    public IMixedBatch Begin(IReadOnlyList<IAdapterWeights> rows) => new Batch(rows);

    /// <summary>Within it, the rows of an adapter are neighbours.</summary>
    private sealed class Batch : IMixedBatch
    {
        private readonly int[] _order;

        public Batch(IReadOnlyList<IAdapterWeights> rows)
        {
            // Groups come in the order of their first rows.
            var groups = Enumerable.Range(0, rows.Count).GroupBy(r => rows[r]).Select(g => (g.Key, Rows: g.ToArray())).ToArray();
            _order = [.. groups.SelectMany(g => g.Rows)];
            int start = 0;
            var slices = new AdapterSlice[groups.Length];
            for (int i = 0; i < slices.Length; start += groups[i++].Rows.Length)
                slices[i] = new((SeparateWeights)groups[i].Key, start, groups[i].Rows.Length);
            Slices = slices;
        }

        public IReadOnlyList<int> Order => _order;

        public IReadOnlyList<AdapterSlice> Slices { get; }

        public IEnumerable<(IReadOnlyList<int> Rows, Tensor Logits)> Logits(Tensor first)
        {
            foreach (var (adapter, start, rows) in Slices)
                yield return (new ArraySegment<int>(_order, start, rows), ((SeparateWeights)adapter).Head.Logits(first.narrow(0, start, rows)));
        }

        public void Dispose()
        {
        }
    }
}
