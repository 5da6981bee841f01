using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// All trained parameters as one flat fp32 leaf, so that clipping, zeroing and the optimiser are a handful of calls
/// however many matrices there are. <see cref="Bind"/> cuts it into the views that a step computes with. What a method moves itself comes
/// last, so that the optimiser has the vector's beginning.
/// </summary>
internal sealed class TrainableParameters : IDisposable
{
    private readonly Parameter[] _parameters;
    private readonly long[] _sizes;
    private readonly Dictionary<Parameter, long> _starts = [];

    public TrainableParameters(IEnumerable<Parameter> parameters)
    {
        _parameters = [.. parameters.Where(p => p.Trained).OrderBy(p => p.MovedByMethod)]; // a stable order
        if (_parameters.Length == 0)
            throw new InvalidOperationException("Nothing is to be trained: no parameter is marked as trained.");
        _sizes = [.. _parameters.Select(p => p.Count)];
        OptimizedCount = _parameters.Where(p => !p.MovedByMethod).Sum(p => p.Count);
        long start = 0;
        foreach (var parameter in _parameters)
        {
            _starts.Add(parameter, start);
            start += parameter.Count;
        }
        using (no_grad())
        using (NewDisposeScope())
            Flat = cat(_parameters.Select(p => p.Value.to(ScalarType.Float32).reshape(-1)).ToArray(), 0)
                .requires_grad_(true).DetachFromDisposeScope();
    }

    /// <summary>The leaf, fp32 [count], on the training device.</summary>
    public Tensor Flat { get; }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    public long Count => Flat.shape[0];

    /// <summary>How many numbers, from the first, the optimiser updates; a method moves the rest itself.</summary>
    public long OptimizedCount { get; }

    /// <summary>
    /// Points every trained parameter at its view of <see cref="Flat"/>, without the tape where it rests. Call inside the scope of each
    /// step or evaluation: the views belong to that scope.
    /// </summary>
    public void Bind()
    {
        var views = Flat.split(_sizes);
        for (int i = 0; i < _parameters.Length; i++)
            _parameters[i].Bind((_parameters[i].Rests ? views[i].detach() : views[i]).view(_parameters[i].Shape).to(_parameters[i].ComputeType));
    }

    /// <summary>The leaf's gradient, zeros where there was none yet; a handle in the caller's scope, always on the same memory.</summary>
    public Tensor Gradient()
    {
        if (Flat.grad is { } gradient)
            return gradient;
        using (no_grad())
        using (NewDisposeScope())
            Flat.grad = zeros_like(Flat.detach());
        return Flat.grad!;
    }

    /// <summary>Values by name on the CPU, fp32, detached from every scope: the caller owns them.</summary>
    public Dictionary<string, Tensor> Snapshot()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var pieces = Flat.detach().cpu().split(_sizes);
        return _parameters.Zip(pieces).ToDictionary(
            p => p.First.Name, p => p.Second.view(p.First.Shape).clone().DetachFromDisposeScope(), StringComparer.Ordinal);
    }

    /// <summary>Takes over values that <see cref="Snapshot"/> made.</summary>
    /// <exception cref="InvalidDataException">A value is missing or of another shape; the message names it.</exception>
    public void Restore(IReadOnlyDictionary<string, Tensor> values)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var pieces = _parameters.Select(p =>
        {
            if (!values.TryGetValue(p.Name, out var value))
                throw new InvalidDataException($"There is no value for the trained parameter '{p.Name}'.");
            return value.shape.AsSpan().SequenceEqual(p.Shape) ? value.to(ScalarType.Float32).reshape(-1)
                : throw new InvalidDataException($"The value for '{p.Name}' has the shape [{string.Join(", ", value.shape)}], not [{string.Join(", ", p.Shape)}].");
        });
        Flat.copy_(cat(pieces.ToArray(), 0));
    }

    /// <summary>Where a parameter's numbers begin in <see cref="Flat"/>; null when it is not trained.</summary>
    public long? Start(Parameter parameter) => _starts.TryGetValue(parameter, out var start) ? start : null;

    /// <summary>The part of a vector aligned with <see cref="Flat"/> that the optimiser updates; a view in the caller's scope.</summary>
    public Tensor Optimized(Tensor flat) => flat.narrow(0, 0, OptimizedCount);

    /// <summary>A vector aligned with what the optimiser updates, of one number a parameter.</summary>
    public Tensor Expand(Func<Parameter, float> value)
    {
        var data = new float[OptimizedCount];
        long start = 0;
        for (int i = 0; start < OptimizedCount; start += _sizes[i++])
            data.AsSpan((int)start, (int)_sizes[i]).Fill(value(_parameters[i]));
        return tensor(data, device: Flat.device).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        Flat.grad?.Dispose();
        Flat.Dispose();
    }
}
