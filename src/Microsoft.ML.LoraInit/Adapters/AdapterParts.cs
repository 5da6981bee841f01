using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>The tensors that an adapter is built from, copied to where its layer computes as they are taken.</summary>
/// <param name="target">The layer, the rank and the scale.</param>
/// <param name="dropout">Probability of dropping an element of the adapter's input.</param>
/// <param name="values">By the end of their names; stay the caller's.</param>
/// <param name="device">Where the layer computes.</param>
internal sealed class AdapterParts(AdapterTarget target, double dropout, IReadOnlyDictionary<string, Tensor> values, Device device)
{
    public AdapterTarget Target { get; } = target;

    public double Dropout { get; } = dropout;

    /// <summary>A copy, fp32, in the caller's scope.</summary>
    /// <param name="suffix">The end of the tensor's name.</param>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public Tensor this[string suffix] => Find(suffix)
        ?? throw new InvalidOperationException($"The adapter of '{Target.ModuleName}' lacks its tensor '{suffix}'.");

    /// <summary>As the indexer; null where there is none.</summary>
    public Tensor? Find(string suffix) => values.TryGetValue(suffix, out var value) ? AdapterFactors.Copy(value, device) : null;
}
