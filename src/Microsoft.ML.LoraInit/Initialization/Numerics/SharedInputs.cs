using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Finds the layers that are fed by one and the same tensor (query, key and value of one attention), so that statistics
/// of inputs are gathered once. It compares fingerprints on the first batch: shape and three sums in fp64.
/// </summary>
internal sealed class SharedInputs
{
    private readonly Dictionary<string, AdapterTarget> _representatives = [];
    private readonly List<(long Rows, long Columns, double Sum, double Squares, double Weighted, AdapterTarget Target)> _known = [];

    /// <summary>The first layer seen with this layer's input: itself where none shared it.</summary>
    /// <param name="target">The layer.</param>
    /// <param name="x">Its input on the current batch, [rows, in].</param>
    public AdapterTarget Representative(AdapterTarget target, Tensor x)
    {
        if (_representatives.TryGetValue(target.ModuleName, out var found))
            return found;
        var (sum, squares, weighted) = Fingerprint(x);
        foreach (var known in _known)
        {
            if ((known.Rows, known.Columns, known.Sum, known.Squares, known.Weighted) == (x.shape[0], x.shape[1], sum, squares, weighted))
                return _representatives[target.ModuleName] = known.Target;
        }
        _known.Add((x.shape[0], x.shape[1], sum, squares, weighted, target));
        return _representatives[target.ModuleName] = target;
    }

    /// <summary>The representative that was found for a layer.</summary>
    /// <exception cref="InvalidOperationException">The layer was never visited: there were no rows.</exception>
    public AdapterTarget Representative(AdapterTarget target) =>
        _representatives.TryGetValue(target.ModuleName, out var found)
            ? found
            : throw new InvalidOperationException($"No training row reached '{target.ModuleName}', so the initialisation knows nothing of its inputs. Give it training data.");

    private static (double Sum, double Squares, double Weighted) Fingerprint(Tensor x)
    {
        using var scope = NewDisposeScope();
        var wide = x.to(ScalarType.Float64);
        var weights = Numbers.Arange(x.shape[1], ScalarType.Float64, x.device).Add(1).sqrt_();
        return (wide.sum().item<double>(), (wide * wide).sum().item<double>(), (wide * weights).sum().item<double>());
    }
}
