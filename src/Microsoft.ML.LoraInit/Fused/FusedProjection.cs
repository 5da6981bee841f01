using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// Linear layers over one input as one product, with plain LoRA on some of them: the A of all lie below each other, the s·B of all as blocks
/// along a diagonal, so that adapters cost one product with A and one with B. The backward pass is written out; the frozen weight gets no gradient.
/// Adapters with a <see cref="SubtractedStart"/> take part as [ΔA; A] and [B₀, ΔB], of twice their rank.
/// </summary>
/// <remarks>
/// Of several layers W, A and B are one matrix M = [W, s·B; A, 0]. Where the input has <see cref="RowRoom"/> for x Aᵀ, the output is
/// [x, x Aᵀ] [W, s·B]ᵀ, and where the output's gradient g has it for g s·B, the input's is [g, g s·B] [W; A]: the adapters' second product is
/// part of the weight's. Otherwise it is added to the weight's.
/// </remarks>
internal sealed class FusedProjection : IDisposable
{
    /// <summary>The ranks' sum is filled up with zeros to a multiple of this, so that rows stay aligned.</summary>
    private const long RankStep = 8;

    private readonly Linear[] _linears;
    private readonly Part[] _adapted;
    private readonly List<Tensor> _owned = [];
    private readonly long _inputs, _outputs;
    private readonly bool _hasStart;
    private readonly long _width; // the ranks' sum, twice that with starts, filled up
    private readonly Tensor _bias; // [out]
    private Tensor? _weight;       // [out, in]
    private Tensor? _wide;         // [out, in + width], W with s·B beside it; null for a single layer
    private Tensor? _tall;         // [out + width, in], W with A below it; null for a single layer
    private Tensor? _a;            // [width, in]
    private Tensor? _b;            // [out, width], scaled
    private Tensor? _gradientA;    // [width, in]
    private Tensor? _gradientB;    // [out, width], of B where that is not scaled
    private (long A, long AStride, long B, long BStride, long GradientA, long GradientB) _places;

    /// <param name="linears">Layers with one input; at least one. Their adapters, if any, are <see cref="LoraAdapter"/>.</param>
    public FusedProjection(params Linear[] linears)
    {
        _linears = linears;
        _inputs = linears[0].InFeatures;
        _hasStart = linears.Any(l => l.Adapter is LoraAdapter { Start: not null });
        var adapted = new List<Part>();
        long width = 0;
        foreach (var linear in linears)
        {
            if (linear.Adapter is LoraAdapter adapter && adapter.A.Shape[0] > 0)
            {
                adapted.Add(new(adapter, _outputs, linear.OutFeatures, width, adapter.A.Shape[0]));
                width += (_hasStart ? 2 : 1) * adapter.A.Shape[0];
            }
            _outputs += linear.OutFeatures;
        }
        _adapted = [.. adapted];
        _width = (width + RankStep - 1) / RankStep * RankStep;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _bias = linears.Length == 1 ? linears[0].Bias.Value : Own(cat(linears.Select(l => l.Bias.Value).ToArray(), 0));
        if (linears.Length == 1)
            _weight = linears[0].Weight.Value;
        else if (!IsAdapted)
            _weight = Own(Weight());
    }

    /// <summary>Whether anything here is trained.</summary>
    public bool IsAdapted => _adapted.Length > 0;

    /// <summary>The <see cref="RowRoom"/> that the input should have; so should the output's gradient.</summary>
    public long Room => _linears.Length > 1 ? _width : 0;

    /// <summary>Reserves the matrices and says which trained numbers go where.</summary>
    public void Place(MatrixPlan plan, TrainableParameters parameters)
    {
        if (!IsAdapted)
            return;
        if (_linears.Length > 1)
        {
            long stride = _inputs + _width, start = plan.ReserveValues((_outputs + _width) * stride);
            (_places.A, _places.AStride, _places.B, _places.BStride) = (start + (_outputs * stride), stride, start + _inputs, stride);
        }
        else
        {
            (_places.A, _places.AStride) = (plan.ReserveValues(_width * _inputs), _inputs);
            (_places.B, _places.BStride) = (plan.ReserveValues(_outputs * _width), _width);
        }
        (_places.GradientA, _places.GradientB) = (plan.ReserveGradients(_width * _inputs), plan.ReserveGradients(_outputs * _width));
        foreach (var part in _adapted)
        {
            var (rank, scale) = (part.Rank, part.Adapter.Scaling);
            long flat = parameters.Start(part.Adapter.A)!.Value, low = part.Low, next = _hasStart ? low + rank : low;
            plan.Value(flat, rank, _inputs, _places.A + (low * _places.AStride), _places.AStride, 1, _hasStart);
            if (_hasStart)
                plan.Value(flat, rank, _inputs, _places.A + (next * _places.AStride), _places.AStride, 1, false);
            plan.Gradient(flat, rank, _inputs, _places.GradientA + (low * _inputs), _hasStart ? _places.GradientA + (next * _inputs) : null, _inputs, 1);
            if (parameters.Start(part.Adapter.B) is not { } b)
                continue;
            plan.Value(b, part.Outputs, rank, _places.B + (part.Offset * _places.BStride) + next, _places.BStride, scale, _hasStart);
            plan.Gradient(b, part.Outputs, rank, _places.GradientB + (part.Offset * _width) + next, null, _width, scale);
        }
    }

    /// <summary>Takes its matrices and writes what does not change.</summary>
    public void Bind(AdapterMatrices matrices)
    {
        if (!IsAdapted)
            return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _a = Own(matrices.Values(_places.A, _width, _inputs, _places.AStride));
        _b = Own(matrices.Values(_places.B, _outputs, _width, _places.BStride));
        _gradientA = Own(matrices.Gradients(_places.GradientA, _width, _inputs));
        _gradientB = Own(matrices.Gradients(_places.GradientB, _outputs, _width));
        if (_linears.Length > 1)
        {
            long start = _places.B - _inputs, stride = _places.BStride;
            _wide = Own(matrices.Values(start, _outputs, _inputs + _width, stride));
            _tall = Own(matrices.Values(start, _outputs + _width, _inputs, stride));
            _weight = Own(matrices.Values(start, _outputs, _inputs, stride));
            _weight.copy_(Weight());
        }
        foreach (var part in _adapted.Where(_ => _hasStart))
            part.Of(_b).copy_(part.Adapter.Start!.Initial.B.Mul(part.Adapter.Scaling));
    }

    /// <summary>Writes what is not trained but the model's to change: a B that stays as it is.</summary>
    public void Refresh()
    {
        foreach (var part in _adapted.Where(p => !_hasStart && !p.Adapter.B.Trained))
            part.Of(_b!).copy_(part.Adapter.B.Value.Mul(part.Adapter.Scaling));
    }

    /// <summary>x [rows, in] → [rows, out], and x Aᵀ [rows, width] for the backward pass, which may lie behind x's rows.</summary>
    public (Tensor Output, Tensor? Low) forward(Tensor x)
    {
        if (!IsAdapted)
            return (nn.functional.linear(x, _weight!, _bias), null);
        if (RowRoom.Whole(x, Room) is { } whole)
        {
            var behind = whole.narrow(1, _inputs, _width).addmm_(x, _a!.t(), 0, 1);
            return (nn.functional.linear(whole, _wide!, _bias), behind);
        }
        var (output, low) = (nn.functional.linear(x, _weight!, _bias), x.mm(_a!.t()));
        return (output.addmm_(low, _b!.t(), 1, 1), low);
    }

    /// <summary>Writes the adapters' gradients, for the matrices to take, and gives ∂x.</summary>
    /// <param name="gradient">∂output [rows, out].</param>
    /// <param name="x">The forward pass's input; null without adapters.</param>
    /// <param name="low">What the forward pass gave beside its output; null without adapters.</param>
    /// <param name="residual">Another gradient of x, which the result includes, and whose memory it takes; or null.</param>
    /// <param name="wantsInput">Whether ∂x is used at all.</param>
    public Tensor? backward(Tensor gradient, Tensor? x, Tensor? low, Tensor? residual, bool wantsInput)
    {
        if (!IsAdapted)
            return wantsInput ? Added(residual, gradient, _weight!) : null;
        var whole = RowRoom.Whole(gradient, Room);
        var lowGradient = whole is null ? gradient.mm(_b!) : whole.narrow(1, _outputs, _width).addmm_(gradient, _b!, 0, 1);
        _gradientA!.addmm_(lowGradient.t(), x!, 0, 1);
        if (_adapted.Any(p => p.Adapter.B.Trained))
            _gradientB!.addmm_(gradient.t(), low!, 0, 1);
        if (!wantsInput)
            return null;
        return whole is null ? Added(residual, gradient, _weight!).addmm_(lowGradient, _a!, 1, 1) : Added(residual, whole, _tall!);
    }

    public void Dispose()
    {
        foreach (var tensor in _owned)
            tensor.Dispose();
    }

    private static Tensor Added(Tensor? residual, Tensor left, Tensor right) => residual is null ? left.mm(right) : residual.addmm_(left, right, 1, 1);

    private Tensor Weight() => cat(_linears.Select(l => l.Weight.Value).ToArray(), 0);

    private Tensor Own(Tensor tensor)
    {
        _owned.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    /// <param name="Adapter">One layer's.</param>
    /// <param name="Offset">The layer's first output among all.</param>
    /// <param name="Outputs">Its outputs.</param>
    /// <param name="Low">Its first row of A, and column of B.</param>
    /// <param name="Rank">r.</param>
    private sealed record Part(LoraAdapter Adapter, long Offset, long Outputs, long Low, long Rank)
    {
        /// <summary>Its B among all, the first half with starts.</summary>
        public Tensor Of(Tensor b) => b.narrow(0, Offset, Outputs).narrow(1, Low, Rank);
    }
}
