using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// The frozen weights of a base model on one device in one precision, shared by every model over that base. The last
/// of the leases frees them.
/// </summary>
internal sealed class BaseWeights : IDisposable
{
    private readonly IReadOnlyDictionary<string, Tensor> _tensors;
    private int _leases = 1;

    /// <param name="config">The base's shape.</param>
    /// <param name="identity">Which base this is.</param>
    /// <param name="tensors">By full name (<c>roberta.…</c>); taken over.</param>
    public BaseWeights(RobertaConfig config, BaseIdentity identity, IReadOnlyDictionary<string, Tensor> tensors)
    {
        Config = config;
        Identity = identity;
        foreach (var tensor in tensors.Values)
            tensor.DetachFromDisposeScope();
        _tensors = tensors;
        var first = tensors.Values.First();
        Device = first.device;
        DType = first.dtype;
    }

    public RobertaConfig Config { get; }

    public BaseIdentity Identity { get; }

    public Device Device { get; }

    public ScalarType DType { get; }

    public Tensor this[string name] => _tensors[name];

    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

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
            foreach (var tensor in _tensors.Values)
                tensor.Dispose();
    }
}

/// <summary>Names a base model beyond doubt.</summary>
/// <param name="Id">Where it came from: <c>mini</c>, a hub id, or a folder's full path.</param>
/// <param name="Sha256">Lower-case hexadecimal SHA-256 of the weights file (of the files in order, for a sharded checkpoint).</param>
internal sealed record BaseIdentity(string Id, string Sha256);
