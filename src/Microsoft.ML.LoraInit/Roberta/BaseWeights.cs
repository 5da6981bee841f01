using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// The frozen weights of a base model on one device in one precision, shared by every model over that base. The last
/// of the leases frees them.
/// </summary>
internal sealed class BaseWeights : IDisposable
{
    private readonly IReadOnlyDictionary<string, Tensor> _tensors;
    private readonly QuantizedWeights? _quantized;
    private int _leases = 1;

    /// <param name="config">The base's shape.</param>
    /// <param name="identity">Which base this is.</param>
    /// <param name="tensors">By full name (<c>roberta.…</c>); taken over.</param>
    /// <param name="quantized">Weights that are held in 4 bits and are not among <paramref name="tensors"/>, or null; taken over.</param>
    public BaseWeights(RobertaConfig config, BaseIdentity identity, IReadOnlyDictionary<string, Tensor> tensors, QuantizedWeights? quantized = null)
    {
        Config = config;
        Identity = identity;
        foreach (var tensor in tensors.Values)
            tensor.DetachFromDisposeScope();
        _tensors = tensors;
        _quantized = quantized;
        var first = tensors.Values.First();
        Device = first.device;
        DType = first.dtype;
    }

    public RobertaConfig Config { get; }

    public BaseIdentity Identity { get; }

    public Device Device { get; }

    public ScalarType DType { get; }

    public Tensor this[string name] => _tensors[name];

    /// <summary>The weights that are held as they are: all, unless <see cref="IsQuantized"/>.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>The weights that are held in 4 bits.</summary>
    public IReadOnlyDictionary<string, Nf4Tensor> Quantized => _quantized?.ByName ?? QuantizedWeights.None;

    public bool IsQuantized => _quantized is not null;

    /// <summary>The names of all weights, whichever way they are held.</summary>
    public IEnumerable<string> Names => _tensors.Keys.Concat(Quantized.Keys);

    public bool Contains(string name) => _tensors.ContainsKey(name) || Quantized.ContainsKey(name);

    /// <summary>A weight as it was before quantisation, fp32 on this base's device; a new tensor in the caller's scope.</summary>
    /// <exception cref="InvalidOperationException">The base is quantised and its file is not at hand.</exception>
    public Tensor Original(string name)
    {
        if (!Quantized.ContainsKey(name))
            return _tensors[name].to(ScalarType.Float32, true);
        using var scope = NewDisposeScope();
        var read = _quantized!.Original ?? throw new InvalidOperationException($"The unquantised '{name}' is not to be had here: the base was quantised without its file at hand.");
        return read(name).to(ScalarType.Float32).to(Device).MoveToOuterDisposeScope();
    }

    /// <summary>Another owner of the same tensors; dispose once per lease.</summary>
    public BaseWeights AddLease()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _leases);
            ObjectDisposedException.ThrowIf(seen == 0, this);
        }
        while (Interlocked.CompareExchange(ref _leases, seen + 1, seen) != seen);
        return this;
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _leases) == 0)
        {
            foreach (var tensor in _tensors.Values)
                tensor.Dispose();
            foreach (var quantized in Quantized.Values)
                quantized.Dispose();
        }
    }
}

/// <summary>The part of a base that is held in 4 bits.</summary>
/// <param name="ByName">By full name.</param>
/// <param name="Original">Reads the weight of a name as it was, into the caller's dispose scope; null where it cannot be had.</param>
internal sealed record QuantizedWeights(IReadOnlyDictionary<string, Nf4Tensor> ByName, Func<string, Tensor>? Original)
{
    public static IReadOnlyDictionary<string, Nf4Tensor> None { get; } = new Dictionary<string, Nf4Tensor>();
}

/// <summary>Names a base model beyond doubt.</summary>
/// <param name="Id">Where it came from: <c>mini</c>, a hub id, or a folder's full path.</param>
/// <param name="Sha256">Lower-case hexadecimal SHA-256 of the weights file (of the files in order, for a sharded checkpoint).</param>
internal sealed record BaseIdentity(string Id, string Sha256);
