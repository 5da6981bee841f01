using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// What the fused encoder computes beside matrix products, each forward with its backward. Results belong to the caller's
/// dispose scope. <see cref="TensorKernels"/> spells them out in tensor operations for every device and is what other
/// implementations are tested against.
/// </summary>
internal abstract class EncoderKernels
{
    /// <summary>Whether layers are to ask for <see cref="RowRoom"/>: here it costs nothing, and spares products.</summary>
    public virtual bool GivesRoom => false;

    /// <summary>y = LN(dropout(update) + residual) over the last dimension.</summary>
    /// <param name="update">[rows, hidden], contiguous.</param>
    /// <param name="residual">[rows, hidden], each row contiguous.</param>
    /// <param name="weight">γ [hidden].</param>
    /// <param name="bias">β [hidden].</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="dropout">On <paramref name="update"/>.</param>
    /// <param name="room">The <see cref="RowRoom"/> that y gets.</param>
    public abstract NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0);

    /// <summary>The gradients of <see cref="AddNorm"/>'s two inputs. Weight and bias are frozen.</summary>
    /// <param name="gradient">∂y, [rows, hidden].</param>
    /// <param name="forward">What the forward pass gave.</param>
    /// <param name="weight">γ [hidden].</param>
    /// <param name="dropout">The forward pass's.</param>
    public abstract NormGradient AddNormBackward(Tensor gradient, NormResult forward, Tensor weight, DropoutMask dropout);

    /// <summary>x Φ(x), exact.</summary>
    public abstract Tensor Gelu(Tensor x);

    /// <summary>∂x of <see cref="Gelu"/>; may overwrite and return <paramref name="gradient"/>.</summary>
    public abstract Tensor GeluBackward(Tensor gradient, Tensor x);

    /// <summary>[batch · length, parts · hidden] → [parts, batch · heads, length, head size].</summary>
    public abstract Tensor SplitHeads(Tensor x, int batch, int length, int parts, int heads);

    /// <summary>[parts, batch · heads, length, head size] → [batch · length, parts · hidden], with <see cref="RowRoom"/> where that is asked for.</summary>
    public abstract Tensor JoinHeads(Tensor x, int batch, int length, int parts, int heads, long room = 0);

    /// <summary>Softmax of scale · scores over the last dimension, keys past a row's length left out; then dropout.</summary>
    /// <param name="scores">[batch · heads, queries, length]; may be overwritten.</param>
    /// <param name="lengths">Int64 [batch], tokens a row; null where all are <c>length</c>.</param>
    /// <param name="heads">Heads a row.</param>
    /// <param name="scale">1 / √head size.</param>
    /// <param name="dropout">On the probabilities.</param>
    public abstract SoftmaxResult Softmax(Tensor scores, Tensor? lengths, int heads, double scale, DropoutMask dropout);

    /// <summary>∂scores of <see cref="Softmax"/>, the scale included; may overwrite and return <paramref name="gradient"/>.</summary>
    /// <param name="gradient">∂ of <see cref="SoftmaxResult.Dropped"/>.</param>
    /// <param name="probabilities"><see cref="SoftmaxResult.Probabilities"/>.</param>
    /// <param name="scale">The forward pass's.</param>
    /// <param name="dropout">The forward pass's.</param>
    public abstract Tensor SoftmaxBackward(Tensor gradient, Tensor probabilities, double scale, DropoutMask dropout);

    /// <summary>Every token's attention without scores in memory, with its backward pass; null where that is not supported.</summary>
    /// <param name="projected">[batch · length, 3 · hidden], queries, keys and values; taken over unless the result is null.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="length">Tokens a row.</param>
    /// <param name="heads">Heads a row.</param>
    /// <param name="lengths">Int64 [batch], tokens a row that are attended to; null where all are.</param>
    /// <param name="scale">1 / √head size.</param>
    /// <param name="dropout">On the probabilities, elements counted as in [batch · heads, length, length].</param>
    /// <param name="room">The <see cref="RowRoom"/> that the gradient of <paramref name="projected"/> gets.</param>
    public virtual AttentionResult? TryAttend(
        Tensor projected, int batch, int length, int heads, Tensor? lengths, double scale, DropoutMask dropout, long room = 0) => null;

    /// <summary>Brings trained numbers to the matrices that products read: value = scale · (number − what it started from, where its block says so).</summary>
    /// <param name="flat">fp32, all trained numbers.</param>
    /// <param name="start">fp32, aligned with <paramref name="flat"/>; null where no block needs it.</param>
    /// <param name="map">Which numbers, and where to.</param>
    /// <param name="values">The matrices, one after another.</param>
    public abstract void Spread(Tensor flat, Tensor? start, NumberMap map, Tensor values);

    /// <summary>Adds the matrices' gradients to those of the trained numbers: number += scale · (gradient + the block's other), in fp32.</summary>
    /// <param name="gradients">As products wrote them, one after another.</param>
    /// <param name="map">Which, and where to.</param>
    /// <param name="flat">fp32, the gradient of all trained numbers.</param>
    public abstract void Collect(Tensor gradients, NumberMap map, Tensor flat);

    /// <summary>A mask as a tensor: 1 / keep where kept, else 0.</summary>
    public abstract Tensor Mask(long[] shape, ScalarType type, DropoutMask dropout);
}

/// <summary>y. What its backward pass needs beside, each implementation adds.</summary>
internal abstract record NormResult(Tensor Output);

/// <summary>y with z = dropout(update) + residual, and z's mean and 1 / √(variance + eps), fp32 [rows].</summary>
internal sealed record MeasuredNorm(Tensor Output, Tensor Sum, Tensor Mean, Tensor InverseDeviation) : NormResult(Output);

/// <summary>∂residual, and ∂update, which is the same tensor where nothing is dropped.</summary>
internal sealed record NormGradient(Tensor Residual, Tensor Update);

/// <summary>Probabilities before and after dropout; the same tensor where nothing is dropped.</summary>
internal sealed record SoftmaxResult(Tensor Probabilities, Tensor Dropped);

/// <summary>
/// One dropout mask, named rather than stored: element i is kept where 16 bits of a hash of seed, index and i lie below
/// keep · 2¹⁶. Forward and backward pass compute it anew.
/// </summary>
/// <param name="Seed">Int64 [1] on the device: the step's seed, which a captured graph reads at every replay. Null for no dropout.</param>
/// <param name="Index">Which mask of the step.</param>
/// <param name="Keep">Probability of keeping an element.</param>
internal readonly record struct DropoutMask(Tensor? Seed, int Index, double Keep)
{
    public static DropoutMask None => new(null, 0, 1);

    public bool Drops => Seed is not null && Keep < 1;

    /// <summary>Kept where the 16 bits are below this.</summary>
    public int Threshold => (int)Math.Round(Keep * 65536);
}
