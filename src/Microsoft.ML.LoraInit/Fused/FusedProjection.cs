using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// Linear layers over one input as one product, with plain LoRA on some of them: the A of all are one matrix, so that
/// adapters cost one product with A and one with each B. The backward pass is written out; the frozen weight gets no gradient.
/// </summary>
internal sealed class FusedProjection : IDisposable
{
    private readonly Tensor _weight; // [out, in]
    private readonly Tensor _bias;   // [out]
    private readonly bool _ownsWeight;
    private readonly bool _isOnHost;
    private readonly Part[] _adapted;
    private readonly long _inputs;
    private Tensor? _a;         // [rank, in], all adapters' A below each other
    private Tensor? _gradientA; // the same

    /// <param name="linears">Layers with one input; at least one. Their adapters, if any, are <see cref="LoraAdapter"/>.</param>
    public FusedProjection(params Linear[] linears)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _inputs = linears[0].InFeatures;
        _ownsWeight = linears.Length > 1;
        _weight = _ownsWeight ? cat(linears.Select(l => l.Weight.Value).ToArray(), 0).DetachFromDisposeScope() : linears[0].Weight.Value;
        _bias = _ownsWeight ? cat(linears.Select(l => l.Bias.Value).ToArray(), 0).DetachFromDisposeScope() : linears[0].Bias.Value;
        _isOnHost = TensorProduct.Serves(_weight);
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
            part.B = (b.Trained ? views.Value(b, b.Count) : b.Value.to(_weight.dtype)).view(part.Outputs, part.Rank);
            part.GradientB = b.Trained ? views.Gradient(b, b.Count).view(part.Outputs, part.Rank) : null;
        }
    }

    /// <summary>x [rows, in] → [rows, out], and x Aᵀ [rows, rank] for the backward pass.</summary>
    public (Tensor Output, Tensor? Low) forward(Tensor x)
    {
        var output = _isOnHost ? TensorProduct.Linear(x, _weight, _bias) : nn.functional.linear(x, _weight, _bias);
        if (!IsAdapted)
            return (output, null);
        var low = x.mm(_a!.t());
        foreach (var part in _adapted)
            part.OutputOf(output).addmm_(part.LowOf(low), part.B!.t(), 1, (float)part.Adapter.Scaling);
        return (output, low);
    }

    /// <summary>Adds the adapters' gradients to the buffer and gives ∂x.</summary>
    /// <param name="gradient">∂output [rows, out].</param>
    /// <param name="x">The forward pass's input; null without adapters.</param>
    /// <param name="low">The forward pass's x Aᵀ; null without adapters.</param>
    /// <param name="residual">Another gradient of x, which the result includes; or null.</param>
    /// <param name="wantsInput">Whether ∂x is used at all.</param>
    public Tensor? backward(Tensor gradient, Tensor? x, Tensor? low, Tensor? residual, bool wantsInput)
    {
        Tensor? lowGradient = null;
        if (IsAdapted)
        {
            lowGradient = empty(gradient.shape[0], Rank, gradient.dtype, gradient.device);
            foreach (var part in _adapted)
            {
                var (own, scaling) = (part.OutputOf(gradient), (float)part.Adapter.Scaling);
                part.LowOf(lowGradient).addmm_(own, part.B!, 0, scaling);
                part.GradientB?.add_(own.t().mm(part.LowOf(low!)), scaling);
            }
            _gradientA!.add_(lowGradient.t().mm(x!));
        }
        if (!wantsInput)
            return null;
        var result = _isOnHost ? OnHost() : residual is null ? gradient.mm(_weight) : residual.addmm(gradient, _weight, 1, 1);
        return lowGradient is null ? result : result.addmm_(lowGradient, _a!, 1, 1);

        Tensor OnHost()
        {
            var product = TensorProduct.Transposed(gradient, _weight);
            return residual is null ? product : product.add_(residual);
        }
    }

    public void Dispose()
    {
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

        public Tensor OutputOf(Tensor output) => output.narrow(1, Offset, Outputs);

        public Tensor LowOf(Tensor low) => low.narrow(1, LowOffset, Rank);
    }
}
