using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>
/// Places of equal size in a few tensors, so that one operation fetches what many adapters hold. It grows by half when it is full, which
/// copies it: putting something in costs its own size and, on average, some times that. An empty one holds no memory.
/// </summary>
/// <param name="widths">Numbers of a place in each tensor.</param>
/// <param name="type">Of the numbers: fp32 or one of 16 bits.</param>
/// <param name="device">Where they are.</param>
/// <remarks>
/// What is read stays as it is: a place that is taken out is written again only after its last use, which the adapter's lifetime sees
/// to, and tensors that a growing shelf leaves behind live until their last reader is gone. On a GPU all calls go to one stream.
/// </remarks>
internal sealed class Shelf(long[] widths, ScalarType type, Device device)
{
    private const int FirstPlaces = 4;

    // What a batch fetches of it at a time, in numbers.
    private const long MostFetched = 32 << 20;

    private readonly Lock _gate = new();
    private readonly Stack<int> _free = [];
    private Content? _content;
    private int _used;

    /// <summary>Numbers of a place, in all tensors.</summary>
    public long Width { get; } = widths.Sum();

    /// <summary>Bytes of a place.</summary>
    public long PlaceBytes => Width * (type == ScalarType.Float32 ? sizeof(float) : sizeof(short));

    /// <summary>Places that a batch fetches at a time at most, which bounds its memory.</summary>
    public int PlacesAtOnce { get; } = (int)Math.Max(1, MostFetched / Math.Max(1, widths.Max()));

    /// <summary>Places there are, in use or not.</summary>
    public int Capacity => _content?.Capacity ?? 0;

    /// <summary>Puts something in.</summary>
    /// <param name="values">[<see cref="Width"/>], on any device, in any type; stays the caller's.</param>
    /// <returns>Its place.</returns>
    public int Add(Tensor values)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var own = values.to(type).to(device);
        lock (_gate)
        {
            if (_used == Capacity)
                Grow();
            int place = _free.Pop();
            long start = 0;
            for (int i = 0; i < widths.Length; start += widths[i++])
                _content!.Parts[i].select(0, place).copy_(own.narrow(0, start, widths[i]));
            _used++;
            return place;
        }
    }

    /// <summary>Gives a place back, after its last use.</summary>
    public void Remove(int place)
    {
        lock (_gate)
        {
            _free.Push(place);
            if (--_used > 0)
                return;
            _content!.Lifetime.Close();
            _content = null;
            _free.Clear();
        }
    }

    /// <summary>The tensors, [places, width] each, for as long as the use lasts.</summary>
    public (IReadOnlyList<Tensor> Parts, SharedLifetime.Use Use) Read()
    {
        lock (_gate)
            return _content is null ? throw new InvalidOperationException("The shelf is empty.") : (_content.Parts, _content.Lifetime.Enter());
    }

    private void Grow()
    {
        int before = Capacity, after = Math.Max(FirstPlaces, before + (before / 2));
        var parts = widths.Select(w => empty([after, w], type, device).DetachFromDisposeScope()).ToArray();
        if (_content is { } old)
        {
            for (int i = 0; i < parts.Length; i++)
                parts[i].narrow(0, 0, before).copy_(old.Parts[i]);
            old.Lifetime.Close();
        }
        _content = new(parts, after);
        for (int place = after - 1; place >= before; place--)
            _free.Push(place);
    }

    private sealed class Content
    {
        public Content(Tensor[] parts, int capacity)
        {
            (Parts, Capacity) = (parts, capacity);
            Lifetime = new(Free, nameof(Shelf));
        }

        public Tensor[] Parts { get; }

        public int Capacity { get; }

        public SharedLifetime Lifetime { get; }

        private void Free()
        {
            foreach (var part in Parts)
                part.Dispose();
        }
    }
}

/// <summary>Where something lies.</summary>
/// <param name="Shelf">The shelf.</param>
/// <param name="Place">The place on it.</param>
internal sealed record ShelfPlace(Shelf Shelf, int Place);
