using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// libtorch's operations that take a number, named as there with a capital. TorchSharp hands a number over as a <see cref="Scalar"/>, whose
/// finaliser frees it, and lets go of it before the native call reads it (0.107.0: <c>Tensor.add(Tensor, Scalar)</c> passes
/// <c>alpha.Handle</c>; <c>add(Tensor)</c>, <c>a + b</c> and <c>square()</c> make one in themselves). A garbage collection at that moment
/// leaves the call with freed memory: a native error, or another number in silence. Here a number lives until the call is over, and goes
/// then instead of waiting for the finaliser. A test holds this as the only door.
/// </summary>
internal static class Numbers
{
    // Used by nearly every layer, and never let go.
    private static readonly Scalar Zero = 0L.ToScalar(), One = 1L.ToScalar(), Two = 2L.ToScalar();

    public static Tensor Add(this Tensor x, Tensor y) => x.add(y, One);
    public static Tensor Add(this Tensor x, Tensor y, double alpha) => Free(x.add(y, Of(alpha, out var number)), number);
    public static Tensor Add(this Tensor x, double y) => Free(x.add(Of(y, out var number), One), number);
    public static Tensor Add(this Tensor x, long y) => Free(x.add(Of(y, out var number), One), number);
    public static Tensor Add_(this Tensor x, Tensor y) => x.add_(y, One);
    public static Tensor Add_(this Tensor x, Tensor y, double alpha) => Free(x.add_(y, Of(alpha, out var number)), number);
    public static Tensor Add_(this Tensor x, double y) => Free(x.add_(Of(y, out var number), One), number);
    public static Tensor Add_(this Tensor x, long y) => Free(x.add_(Of(y, out var number), One), number);
    public static Tensor Sub(this Tensor x, double y) => Free(x.sub(Of(y, out var number)), number);
    public static Tensor Sub(this Tensor x, long y) => Free(x.sub(Of(y, out var number)), number);

    /// <summary>y - x.</summary>
    public static Tensor Rsub(this Tensor x, long y) => x.negative().Add(y);

    public static Tensor Mul(this Tensor x, double y) => Free(x.mul(Of(y, out var number)), number);
    public static Tensor Mul(this Tensor x, long y) => Free(x.mul(Of(y, out var number)), number);
    public static Tensor Mul_(this Tensor x, double y) => Free(x.mul_(Of(y, out var number)), number);
    public static Tensor Mul_(this Tensor x, long y) => Free(x.mul_(Of(y, out var number)), number);
    public static Tensor Div(this Tensor x, double y) => Free(x.div(Of(y, out var number)), number);
    public static Tensor Div(this Tensor x, long y) => Free(x.div(Of(y, out var number)), number);
    public static Tensor Div_(this Tensor x, double y) => Free(x.div_(Of(y, out var number)), number);
    public static Tensor Square(this Tensor x) => x.pow(Two);
    public static Tensor Pow(this Tensor x, double y) => Free(x.pow(Of(y, out var number)), number);

    /// <summary>x + value · y · z, elementwise.</summary>
    public static Tensor Addcmul_(this Tensor x, Tensor y, Tensor z, double value) => Free(x.addcmul_(y, z, Of(value, out var number)), number);

    /// <summary>x + value · y / z, elementwise.</summary>
    public static Tensor Addcdiv_(this Tensor x, Tensor y, Tensor z, double value) => Free(x.addcdiv_(y, z, Of(value, out var number)), number);

    public static Tensor Clamp(this Tensor x, double min, double max) => Free(Free(x.clamp(Of(min, out var low), Of(max, out var high)), low), high);
    public static Tensor ClampMin(this Tensor x, double min) => Free(x.clamp_min(Of(min, out var number)), number);
    public static Tensor ClampMin(this Tensor x, long min) => Free(x.clamp_min(Of(min, out var number)), number);
    public static Tensor ClampMin_(this Tensor x, double min) => Free(x.clamp_min_(Of(min, out var number)), number);
    public static Tensor ClampMax_(this Tensor x, double max) => Free(x.clamp_max_(Of(max, out var number)), number);

    public static Tensor Fill_(this Tensor x, long value) => Free(x.fill_(Of(value, out var number)), number);
    public static Tensor Fill_(this Tensor x, double value) => Free(x.fill_(Of(value, out var number)), number);
    public static Tensor MaskedFill(this Tensor x, Tensor mask, double value) => Free(x.masked_fill(mask, Of(value, out var number)), number);
    public static Tensor MaskedFill_(this Tensor x, Tensor mask, double value) => Free(x.masked_fill_(mask, Of(value, out var number)), number);
    public static Tensor IndexFill_(this Tensor x, long dim, Tensor index, long value) => Free(x.index_fill_(dim, index, Of(value, out var number)), number);
    public static Tensor IndexAdd_(this Tensor x, long dim, Tensor index, Tensor y) => x.index_add_(dim, index, y, One);

    public static Tensor Eq(this Tensor x, long y) => Free(x.eq(Of(y, out var number)), number);
    public static Tensor Ne(this Tensor x, long y) => Free(x.ne(Of(y, out var number)), number);
    public static Tensor Lt(this Tensor x, long y) => Free(x.lt(Of(y, out var number)), number);
    public static Tensor Le(this Tensor x, long y) => Free(x.le(Of(y, out var number)), number);
    public static Tensor Gt(this Tensor x, double y) => Free(x.gt(Of(y, out var number)), number);
    public static Tensor Ge(this Tensor x, long y) => Free(x.ge(Of(y, out var number)), number);

    /// <inheritdoc cref="arange(Scalar, ScalarType?, Device?, bool)"/>
    public static Tensor Arange(long stop, ScalarType? dtype = null, Device? device = null) => Free(arange(Zero, Of(stop, out var number), One, dtype, device), number);

    /// <inheritdoc cref="arange(Scalar, Scalar, ScalarType?, Device?, bool)"/>
    public static Tensor Arange(long start, long stop, ScalarType? dtype = null, Device? device = null) =>
        Free(Free(arange(Of(start, out var first), Of(stop, out var end), One, dtype, device), first), end);

    /// <summary>A vector of one number.</summary>
    public static Tensor Full(long size, long value, ScalarType? dtype = null, Device? device = null) => Free(full(size, Of(value, out var number), dtype, device), number);

    /// <summary>A matrix of one number.</summary>
    public static Tensor Full(long rows, long columns, double value, ScalarType? dtype = null, Device? device = null) =>
        Free(full(rows, columns, Of(value, out var number), dtype, device), number);

    private static Scalar Of(double value, out Scalar number) => number = value.ToScalar();

    private static Scalar Of(long value, out Scalar number) => number = value.ToScalar();

    /// <summary>Uses the number once more, so that it lives until here.</summary>
    private static Tensor Free(Tensor result, Scalar number)
    {
        number.Dispose();
        return result;
    }
}
