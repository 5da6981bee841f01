using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Principal components of rows that arrive in pieces (Ross et al., IJCV 2008; the update that scikit-learn's and PEFT's
/// IncrementalPCA use). It keeps k components, the mean and the total variance; a piece is merged by decomposing
/// [diag(S) V; X − mean(X); √(N·m/(N+m)) (mean − mean(X))]. Exact for the first piece, and as good as k allows after it.
/// Runs in fp64.
/// </summary>
internal sealed class IncrementalPca : IDisposable
{
    private readonly int _components;
    private readonly List<Tensor> _waiting = [];
    private Tensor? _v;
    private Tensor? _s;
    private Tensor? _mean;
    private Tensor? _squares;

    /// <param name="components">k.</param>
    public IncrementalPca(int components) => _components = components;

    public long Rows { get; private set; }

    /// <summary>[k]: the cosine of each component with its predecessor at the last merge; empty before the second.</summary>
    public double[] Cosines { get; private set; } = [];

    public bool IsFitted => _v is not null;

    /// <summary>[k, n], orthonormal rows, largest variance first.</summary>
    public Tensor Components => _v ?? throw NotFitted();

    /// <summary>[k].</summary>
    public Tensor SingularValues => _s ?? throw NotFitted();

    /// <summary>[k]: the share of the total variance that each component explains.</summary>
    public double[] ExplainedVarianceRatio
    {
        get
        {
            using var scope = NewDisposeScope();
            var total = (_squares ?? throw NotFitted()).sum();
            return (SingularValues.Square() / total.ClampMin(double.Epsilon)).cpu().data<double>().ToArray();
        }
    }

    /// <summary>
    /// Takes rows [m, n] in. Fewer than k rows wait until there are enough (or until <see cref="Complete"/>).
    /// </summary>
    /// <returns>The least cosine between a component before and after; null where there was no component before or rows wait.</returns>
    public double? Add(Tensor x)
    {
        if (x.shape[0] == 0)
            return null;
        if (_waiting.Count == 0 && x.shape[0] >= _components)
            return Merge(x);
        _waiting.Add(x.clone().DetachFromDisposeScope());
        return _waiting.Sum(w => w.shape[0]) < _components ? null : MergeWaiting();
    }

    /// <summary>Takes in what still waits.</summary>
    /// <exception cref="InvalidDataException">There were fewer rows than components in all.</exception>
    public void Complete()
    {
        var rows = _waiting.Sum(w => w.shape[0]);
        if (!IsFitted && rows < _components)
            throw new InvalidDataException($"{_components} principal components need at least as many rows (tokens), but there were {rows}. Give more training data, or a lower rank or rho.");
        if (rows > 0)
            MergeWaiting();
    }

    private double? MergeWaiting()
    {
        using var scope = NewDisposeScope();
        // cat gives a single tensor back as it is, so the pieces live until they are merged.
        var cosine = Merge(cat(_waiting, 0));
        foreach (var piece in _waiting)
            piece.Dispose();
        _waiting.Clear();
        return cosine;
    }

    private double? Merge(Tensor x)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var rows = x.to(ScalarType.Float64);
        long m = rows.shape[0];
        var batchMean = rows.mean([0L]);
        var centred = rows - batchMean;
        var batchSquares = centred.Square().sum([0L]);

        Tensor mean, squares, stacked;
        if (_v is null)
        {
            (mean, squares, stacked) = (batchMean, batchSquares, centred);
        }
        else
        {
            var weight = (double)Rows * m / (Rows + m);
            var shift = _mean! - batchMean;
            mean = _mean!.Mul(Rows).Add(batchMean.Mul(m)).Div(Rows + m);
            squares = _squares!.Add(batchSquares).Add(shift.Square().Mul(weight));
            stacked = cat([_s!.unsqueeze(1) * _v, centred, shift.Mul(Math.Sqrt(weight)).unsqueeze(0)], 0);
        }
        var (s, v) = RightTriplets(stacked);
        if (_v is not null)
            Cosines = (_v * v).sum([1L]).abs().cpu().data<double>().ToArray();
        Keep(ref _v, v);
        Keep(ref _s, s);
        Keep(ref _mean, mean);
        Keep(ref _squares, squares);
        Rows += m;
        return Cosines.Length == 0 ? null : Cosines.Min();
    }

    /// <summary>Leading singular values and right vectors. With more rows than columns the Gram matrix is far cheaper, and fp64 has the digits.</summary>
    private (Tensor S, Tensor V) RightTriplets(Tensor rows)
    {
        Tensor s, v;
        if (rows.shape[0] > rows.shape[1])
        {
            var (values, vectors) = Linalg.Eigh(rows.t().matmul(rows));                  // ascending
            s = values.flip(0).ClampMin(0).sqrt();
            v = vectors.flip(1).t();
        }
        else
        {
            (_, s, v) = Linalg.Svd(rows, false);
        }
        s = s.narrow(0, 0, _components);
        v = v.narrow(0, 0, _components);
        var signs = v.gather(1, v.abs().argmax(1, true)).sign();
        return (s, v * where(signs.Eq(0), ones_like(signs), signs));
    }

    private static void Keep(ref Tensor? slot, Tensor value)
    {
        var kept = value.clone().DetachFromDisposeScope();
        slot?.Dispose();
        slot = kept;
    }

    private static InvalidOperationException NotFitted() => new("No rows were taken in.");

    public void Dispose()
    {
        foreach (var tensor in new[] { _v, _s, _mean, _squares }.Concat(_waiting))
            tensor?.Dispose();
        _waiting.Clear();
    }
}
