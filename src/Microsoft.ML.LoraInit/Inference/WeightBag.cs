using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// A model's weights, taken out one by one and checked: native code ends the process on a product of shapes
/// that do not fit. All of them belong to one scope, and so does what is made of them; what is not detached from it is
/// freed with it, whether the model came about or not.
/// </summary>
internal sealed class WeightBag
{
    private readonly Dictionary<string, Tensor> _left;
    private readonly ScalarType _type;

    /// <param name="weights">By full name; they move to the scope.</param>
    /// <param name="type">What the weights are converted to unless said otherwise.</param>
    /// <param name="scope">The scope of the construction.</param>
    public WeightBag(IReadOnlyDictionary<string, Tensor> weights, ScalarType type, DisposeScope scope)
    {
        _left = new(weights, StringComparer.Ordinal);
        _type = type;
        foreach (var tensor in weights.Values)
            scope.Attach(tensor.DetachFromDisposeScope());
    }

    /// <summary>Makes something of all the weights; where that fails, nothing of them is left.</summary>
    /// <param name="weights">By full name; taken over.</param>
    /// <param name="type">What the weights are converted to unless said otherwise.</param>
    /// <param name="make">Makes it, and owns what it keeps once this returns.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or was not taken.</exception>
    public static T TakeAll<T>(IReadOnlyDictionary<string, Tensor> weights, ScalarType type, Func<WeightBag, T> make)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var bag = new WeightBag(weights, type, scope);
        try
        {
            var made = make(bag);
            bag.CheckAllTaken();
            return made;
        }
        catch
        {
            foreach (var tensor in bag.Kept)
                tensor.Dispose();
            throw;
        }
    }

    /// <summary>Weights that were detached: they outlive the scope.</summary>
    public List<Tensor> Kept { get; } = [];

    /// <exception cref="ArgumentException">It is missing, or of another shape.</exception>
    public Tensor Take(string name, params long[] shape) => Take(_type, name, shape);

    /// <exception cref="ArgumentException">It is missing, or of another shape.</exception>
    public Tensor Take(ScalarType type, string name, params long[] shape)
    {
        if (!_left.Remove(name, out var tensor))
            throw new ArgumentException($"The merged weights lack '{name}'.");
        if (!tensor.shape.AsSpan().SequenceEqual(shape))
            throw new ArgumentException($"'{name}' has the shape [{string.Join(", ", tensor.shape)}]; the model's config asks for [{string.Join(", ", shape)}].");
        return tensor.to(type);
    }

    /// <summary>Rows of a matrix that is still there; null where it is not.</summary>
    public int? RowsOf(string name) => _left.TryGetValue(name, out var tensor) && tensor.dim() > 0 ? (int)tensor.shape[0] : null;

    /// <summary>Detaches a weight from the scope; <see cref="Kept"/> lists it from then on.</summary>
    public Tensor Keep(Tensor tensor)
    {
        Kept.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    /// <summary>Takes and keeps a module's weight, and its bias of as many rows.</summary>
    /// <param name="module">Its full name.</param>
    /// <param name="shape">The weight's.</param>
    /// <exception cref="ArgumentException">One is missing, or of another shape.</exception>
    public (Tensor Weight, Tensor Bias) KeepAffine(string module, params long[] shape) => KeepAffine(_type, module, shape);

    /// <inheritdoc cref="KeepAffine(string, long[])"/>
    public (Tensor Weight, Tensor Bias) KeepAffine(ScalarType type, string module, params long[] shape) =>
        (Keep(Take(type, $"{module}.weight", shape)), Keep(Take(type, $"{module}.bias", shape[0])));

    /// <summary>Refuses weights that nothing took: a forgotten adapter would change every score.</summary>
    public void CheckAllTaken()
    {
        if (_left.Count > 0)
            throw new ArgumentException($"The merged weights hold '{_left.Keys.Order(StringComparer.Ordinal).First()}' (one of {_left.Count}), which a merged model has no use for.");
    }
}
