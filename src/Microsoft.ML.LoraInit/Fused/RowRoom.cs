using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// Rows with room behind each for some more numbers. A projection writes x Aᵀ behind its input x, or g B behind the gradient g of its
/// output, and then takes both together in one product with a weight that has B beside it or A below it.
/// </summary>
internal static class RowRoom
{
    /// <summary>[rows, width] whose rows lie width + room numbers apart; contiguous without room. Nothing is written.</summary>
    public static Tensor Make(long rows, long width, long room, ScalarType type, Device device) =>
        room == 0 ? empty(rows, width, type, device) : Front(rows, width, room, type, device);

    /// <summary>x [rows, width] with room behind each row; x itself without room.</summary>
    public static Tensor Copy(Tensor x, long room) => room == 0 ? x : Make(x.shape[0], x.shape[1], room, x.dtype, x.device).copy_(x);

    /// <summary>The same memory with the room, [rows, width + room]; null where x has not just that much.</summary>
    public static Tensor? Whole(Tensor x, long room) =>
        room > 0 && x.dim() == 2 && x.stride(1) == 1 && x.stride(0) == x.shape[1] + room
            ? x.as_strided([x.shape[0], x.shape[1] + room], [x.stride(0), 1], x.storage_offset())
            : null;

    private static Tensor Front(long rows, long width, long room, ScalarType type, Device device)
    {
        using var whole = empty(rows, width + room, type, device);
        return whole.narrow(1, 0, width);
    }
}
