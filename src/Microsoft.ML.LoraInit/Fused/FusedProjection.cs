using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// Linear layers over one input as one product, with plain LoRA on some of them: the A of all are one matrix, so that
/// adapters cost one product with A and one with each B. The backward pass is written out; the frozen weight gets no gradient.
/// Adapters with a <see cref="SubtractedStart"/> take part as [ΔA; A] and [B₀, ΔB], of twice their rank.
/// </summary>
internal sealed class FusedProjection : IDisposable
{
    private readonly Tensor _weight; // [out, in]
    private readonly Tensor _bias;   // [out]
    private readonly bool _ownsWeight;
    private readonly Part[] _adapted;
    private readonly long _inputs;
    private readonly bool _hasStart;
    private Tensor? _a;         // [rank, in], all adapters' A below each other; with starts [2 · rank, in], each ΔA before its A
    private Tensor? _gradientA; // [rank, in]

    /// <param name="linears">Layers with one input; at least one. Their adapters, if any, are <see cref="LoraAdapter"/>.</param>
    public FusedProjection(params Linear[] linears)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _inputs = linears[0].InFeatures;
        _ownsWeight = linears.Length > 1;
        _weight = _ownsWeight ? cat(linears.Select(l => l.Weight.Value).ToArray(), 0).DetachFromDisposeScope() : linears[0].Weight.Value;
        _bias = _ownsWeight ? cat(linears.Select(l => l.Bias.Value).ToArray(), 0).DetachFromDisposeScope() : linears[0].Bias.Value;
        var adapted = new List<Part>();
        long offset = 0, rank = 0;
        foreach (var linear in linears)
        {
            if (linear.Adapter is LoraAdapter adapter)
            {
                adapted.Add(new(adapter, offset, linear.OutFeatures, rank, adapter.A.Shape[0]));
                rank += adapter.A.Shape[0];
            }
            offset += linear.OutFeatures;
        }
        _adapted = [.. adapted];
        _hasStart = _adapted.Any(p => p.Adapter.Start is not null);
        foreach (var part in _adapted.Where(_ => _hasStart))
            part.InitialB = part.Adapter.Start!.Initial.B.to(_weight.dtype).DetachFromDisposeScope();
        Rank = rank;
    }

    /// <summary>The ranks' sum; 0 without adapters.</summary>
    public long Rank { get; }

    /// <summary>Whether anything here is trained.</summary>
    public bool IsAdapted => Rank > 0;

    /// <summary>Whether the trained A lie below each other in the flat buffer, as the products with all of them need it.</summary>
    public bool LiesTogether(TrainableParameters parameters) => _adapted.All(part =>
        part.Adapter.A.Trained && parameters.Start(part.Adapter.A) == parameters.Start(_adapted[0].Adapter.A) + part.LowOffset * _inputs);

    /// <summary>Points at this step's values of A and B, and at where their gradients go.</summary>
    public void Bind(AdapterViews views)
    {
        if (!IsAdapted)
            return;
        var (first, count) = (_adapted[0].Adapter.A, Rank * _inputs);
        _a = views.Value(first, count).view(Rank, _inputs);
        _gradientA = views.Gradient(first, count).view(Rank, _inputs);
        foreach (var part in _adapted)
        {
            var b = part.Adapter.B;
            part.B = _hasStart ? cat([part.InitialB!, ChangeOf(part)], 1)
                : (b.Trained ? views.Value(b, b.Count) : b.Value.to(_weight.dtype)).view(part.Outputs, part.Rank);
            part.GradientB = b.Trained ? views.Gradient(b, b.Count).view(part.Outputs, part.Rank) : null;
        }
        if (!_hasStart)
            return;
        var change = views.Change(first, count).view(Rank, _inputs);
        _a = cat([.. _adapted.SelectMany(p => new[] { change.narrow(0, p.LowOffset, p.Rank), _a.narrow(0, p.LowOffset, p.Rank) })], 0);

        Tensor ChangeOf(Part part) => part.Adapter.B.Trained
            ? views.Change(part.Adapter.B, part.Adapter.B.Count).view(part.Outputs, part.Rank)
            : zeros_like(part.InitialB!);
    }

    /// <summary>x [rows, in] → [rows, out], and x Aᵀ [rows, rank] (with starts x [ΔA; A]ᵀ [rows, 2 · rank]) for the backward pass.</summary>
    public (Tensor Output, Tensor? Low) forward(Tensor x)
    {
        var output = nn.functional.linear(x, _weight, _bias);
        if (!IsAdapted)
            return (output, null);
        var low = x.mm(_a!.t());
        foreach (var part in _adapted)
            part.OutputOf(output).addmm_(Low(part, low), part.B!.t(), 1, (float)part.Adapter.Scaling);
        return (output, low);
    }

    /// <summary>Adds the adapters' gradients to the buffer and gives ∂x.</summary>
    /// <param name="gradient">∂output [rows, out].</param>
    /// <param name="x">The forward pass's input; null without adapters.</param>
    /// <param name="low">What the forward pass gave beside its output; null without adapters.</param>
    /// <param name="residual">Another gradient of x, which the result includes; or null.</param>
    /// <param name="wantsInput">Whether ∂x is used at all.</param>
    public Tensor? backward(Tensor gradient, Tensor? x, Tensor? low, Tensor? residual, bool wantsInput)
    {
        Tensor? lowGradient = null;
        if (IsAdapted)
        {
            lowGradient = empty(gradient.shape[0], _a!.shape[0], gradient.dtype, gradient.device);
            foreach (var part in _adapted)
            {
                var (own, scaling) = (part.OutputOf(gradient), (float)part.Adapter.Scaling);
                Low(part, lowGradient).addmm_(own, part.B!, 0, scaling);
                part.GradientB?.Add_(own.t().mm(_hasStart ? Halves(part, low!).Second : Low(part, low!)), scaling);
            }
            _gradientA!.Add_((_hasStart ? OfA(lowGradient) : lowGradient).t().mm(x!));
        }
        if (!wantsInput)
            return null;
        var result = residual is null ? gradient.mm(_weight) : residual.addmm(gradient, _weight, 1, 1);
        return lowGradient is null ? result : result.addmm_(lowGradient, _a!, 1, 1);
    }

    /// <summary>An adapter's columns of x Aᵀ.</summary>
    private Tensor Low(Part part, Tensor low) => _hasStart
        ? low.narrow(1, 2 * part.LowOffset, 2 * part.Rank)
        : low.narrow(1, part.LowOffset, part.Rank);

    /// <summary>Those of ΔA and those of A.</summary>
    private (Tensor First, Tensor Second) Halves(Part part, Tensor low) =>
        (low.narrow(1, 2 * part.LowOffset, part.Rank), low.narrow(1, (2 * part.LowOffset) + part.Rank, part.Rank));

    /// <summary>∂(x Aᵀ) [rows, rank] from ∂(x [ΔA; A]ᵀ): A is in both halves, with B₀ and with ΔB.</summary>
    private Tensor OfA(Tensor lowGradient) => cat([.. _adapted.Select(p => Halves(p, lowGradient)).Select(h => h.First.Add(h.Second))], 1);

    public void Dispose()
    {
        foreach (var part in _adapted)
            part.InitialB?.Dispose();
        if (_ownsWeight)
        {
            _weight.Dispose();
            _bias.Dispose();
        }
    }

    private sealed record Part(LoraAdapter Adapter, long Offset, long Outputs, long LowOffset, long Rank)
    {
        public Tensor? B { get; set; }

        public Tensor? GradientB { get; set; }

        /// <summary>B₀ in the type of the passes, where the adapter has a start.</summary>
        public Tensor? InitialB { get; set; }

        public Tensor OutputOf(Tensor output) => output.narrow(1, Offset, Outputs);
    }
}
