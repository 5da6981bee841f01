using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>One transformer block as few calls, with its backward pass written out. Works on [rows, hidden].</summary>
internal abstract class FusedLayer : IDisposable
{
    private readonly LayerNorm _attentionNorm;
    private readonly LayerNorm _outputNorm;

    private readonly LayerMath _math;

    private readonly bool _givesRoom;

    protected FusedLayer(RobertaLayer layer, RobertaConfig config, EncoderKernels kernels, LayerMath math, int index)
    {
        Config = config;
        (_math, _givesRoom) = (math, kernels.GivesRoom);
        Index = index;
        Attention = new FusedAttention(config, kernels, index);
        AttentionOutput = new FusedProjection(layer.AttentionOutput);
        Up = new FusedProjection(layer.Intermediate);
        Down = new FusedProjection(layer.Output);
        (_attentionNorm, _outputNorm) = (layer.AttentionNorm, layer.OutputNorm);
    }

    protected RobertaConfig Config { get; }

    protected int Index { get; }

    protected FusedAttention Attention { get; }

    protected FusedProjection AttentionOutput { get; }

    protected FusedProjection Up { get; }

    protected FusedProjection Down { get; }

    /// <summary>All products of the layer.</summary>
    public virtual IEnumerable<FusedProjection> Projections => [AttentionOutput, Up, Down];

    public bool IsAdapted => Projections.Any(p => p.IsAdapted);

    /// <summary>The <see cref="RowRoom"/> that x should have.</summary>
    public long Room => _givesRoom ? OverInput.Room : 0;

    /// <summary>The product over every row of x; its output's gradient should have room too.</summary>
    protected abstract FusedProjection OverInput { get; }

    /// <summary>x [rows, hidden] → the block's output, and what gives ∂x from its gradient.</summary>
    /// <param name="x">The block's input.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="wantsInput">Whether ∂x will be used.</param>
    /// <param name="nextRoom">The next block's <see cref="Room"/>.</param>
    public abstract LayerResult forward(Tensor x, EncoderPass pass, bool wantsInput, long nextRoom);

    /// <summary>Everything after attention: projection, residual, norm, feed-forward, residual, norm.</summary>
    /// <param name="attended">What attention gave, [rows, hidden].</param>
    /// <param name="x">The block's input of the same rows.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="nextRoom">The output's <see cref="RowRoom"/>.</param>
    /// <returns>The output, and what gives ∂attended and the residual's ∂x.</returns>
    protected (Tensor Output, Func<Tensor, (Tensor Attended, Tensor Residual)> Backward) AfterAttention(
        Tensor attended, Tensor x, EncoderPass pass, long nextRoom)
    {
        var (onAttention, onOutput) = (pass.OnAttentionOutput(Index, Config.HiddenDropout), pass.OnOutput(Index, Config.HiddenDropout));
        var (projected, projectedLow) = AttentionOutput.forward(attended);
        var (middle, middleBackward) = _math.AddNorm(projected, x, _attentionNorm, onAttention);
        if (!AttentionOutput.IsAdapted)
            attended.Dispose(); // the backward pass does without
        var (raised, raisedLow) = Up.forward(middle);
        var (activated, activatedBackward) = _math.Gelu(raised);
        var (lowered, loweredLow) = Down.forward(activated);
        var (last, lastBackward) = _math.AddNorm(lowered, middle, _outputNorm, onOutput, nextRoom);
        if (!Down.IsAdapted)
            activated.Dispose();
        if (!Up.IsAdapted)
            middle.Dispose();
        return (last, gradient =>
        {
            var outer = lastBackward(gradient);
            var activation = Down.backward(outer.Update, activated, loweredLow, null, true)!;
            var middleGradient = Up.backward(activatedBackward(activation), middle, raisedLow, outer.Residual, true)!;
            var inner = middleBackward(middleGradient);
            return (AttentionOutput.backward(inner.Update, attended, projectedLow, null, true)!, inner.Residual);
        }
        );
    }

    public virtual void Dispose()
    {
        foreach (var projection in Projections)
            projection.Dispose();
    }
}

/// <summary>What a layer gave.</summary>
/// <param name="Output">[rows, hidden].</param>
/// <param name="Backward">∂x from the output's gradient, null where it was not asked for; adds the adapters' gradients. Call once.</param>
internal sealed record LayerResult(Tensor Output, Func<Tensor, Tensor?> Backward);

/// <summary>A block whose every token goes on to the next.</summary>
internal sealed class FusedInnerLayer(RobertaLayer layer, RobertaConfig config, EncoderKernels kernels, LayerMath math, int index)
    : FusedLayer(layer, config, kernels, math, index)
{
    private readonly FusedProjection _projection = new(layer.Attention.Query, layer.Attention.Key, layer.Attention.Value);

    public override IEnumerable<FusedProjection> Projections => [_projection, .. base.Projections];

    protected override FusedProjection OverInput => _projection;

    public override LayerResult forward(Tensor x, EncoderPass pass, bool wantsInput, long nextRoom)
    {
        var (projected, low) = _projection.forward(x);
        var attention = Attention.All(projected, pass, Room);
        var (output, backward) = AfterAttention(attention.Output, x, pass, nextRoom);
        return new(output, gradient =>
        {
            var (attended, residual) = backward(gradient);
            return wantsInput || _projection.IsAdapted
                ? _projection.backward(attention.Backward(attended)[0], x, low, residual, wantsInput)
                : null;
        });
    }
}

/// <summary>The last block of a classifier: only each row's first token goes on, so all after keys and values is for it alone.</summary>
internal sealed class FusedLastLayer(RobertaLayer layer, RobertaConfig config, EncoderKernels kernels, LayerMath math, int index)
    : FusedLayer(layer, config, kernels, math, index)
{
    private readonly FusedProjection _query = new(layer.Attention.Query);
    private readonly FusedProjection _keyValue = new(layer.Attention.Key, layer.Attention.Value);

    public override IEnumerable<FusedProjection> Projections => [_query, _keyValue, .. base.Projections];

    protected override FusedProjection OverInput => _keyValue;

    public override LayerResult forward(Tensor x, EncoderPass pass, bool wantsInput, long nextRoom)
    {
        var first = x.view(pass.Batch, pass.Length, -1).select(1, 0).contiguous();
        var (query, queryLow) = _query.forward(first);
        var (projected, low) = _keyValue.forward(x);
        var attention = Attention.First(query, projected, pass, Room);
        var (output, backward) = AfterAttention(attention.Output, first, pass, nextRoom);
        return new(output, gradient =>
        {
            var (attended, residual) = backward(gradient);
            if (!wantsInput && !_query.IsAdapted && !_keyValue.IsAdapted)
                return null;
            var inputs = attention.Backward(attended);
            var firstGradient = _query.backward(inputs[0], first, queryLow, residual, wantsInput);
            var all = _keyValue.backward(inputs[1], x, low, null, wantsInput);
            all?.view(pass.Batch, pass.Length, -1).select(1, 0).Add_(firstGradient!);
            return all;
        });
    }
}
