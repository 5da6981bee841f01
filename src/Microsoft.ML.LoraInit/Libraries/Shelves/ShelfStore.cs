using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>
/// Adapters of one form lie on one shelf, so that a batch takes few large operations instead of several for each adapter: for GPUs, where
/// every operation costs some microseconds whatever it computes.
/// </summary>
/// <param name="device">Where the base is.</param>
/// <param name="type">The base's type; heads are fp32.</param>
internal sealed class ShelfStore(Device device, ScalarType type) : IAdapterStore
{
    private readonly ConcurrentDictionary<string, AdapterShelf> _adapters = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<HeadForm, HeadShelf> _heads = [];

    public IAdapterWeights Add(AdapterFactors factors)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var shelf = factors.Corrections.Count == 0 ? null : _adapters.GetOrAdd(AdapterForm.Key(factors.Corrections), _ => NewShelf(factors));
        var heads = _heads.GetOrAdd(HeadForm.Of(factors), f => new(f, new([f.Width], ScalarType.Float32, device)));
        return new ShelvedWeights(
            shelf, Put(shelf?.Shelf, () => shelf!.Form.Pack(factors.Corrections)),
            heads, Put(heads.Shelf, () => heads.Form.Pack(factors))!, (int)factors.Projection.Bias.shape[0]);
    }

    public IMixedBatch Begin(IReadOnlyList<IAdapterWeights> rows) => new ShelvedBatch(rows, device);

    private static ShelfPlace? Put(Shelf? shelf, Func<Tensor> values) => shelf is null ? null : new(shelf, shelf.Add(values()));

    private AdapterShelf NewShelf(AdapterFactors factors)
    {
        var form = AdapterForm.Of(factors.Corrections);
        return new(form, new(form.Widths, type, device));
    }
}

/// <summary>Corrections of one form.</summary>
internal sealed record AdapterShelf(AdapterForm Form, Shelf Shelf);

/// <summary>Heads of one form.</summary>
internal sealed record HeadShelf(HeadForm Form, Shelf Shelf);

/// <summary>An adapter's places.</summary>
/// <param name="Form">The form of its corrections; null where it is a head alone.</param>
/// <param name="Place">Where they are; null likewise.</param>
/// <param name="HeadForm">The form of its head.</param>
/// <param name="Head">Where that is.</param>
/// <param name="Outputs">Number of logits a row.</param>
internal sealed record ShelvedWeights(AdapterShelf? Form, ShelfPlace? Place, HeadShelf HeadForm, ShelfPlace Head, int Outputs) : IAdapterWeights
{
    public long OwnBytes => (Place?.Shelf.PlaceBytes ?? 0) + Head.Shelf.PlaceBytes;

    public void Dispose()
    {
        Place?.Shelf.Remove(Place.Place);
        Head.Shelf.Remove(Head.Place);
    }
}
