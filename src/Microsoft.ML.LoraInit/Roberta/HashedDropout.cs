using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// Masks from a counter-based hash (SplitMix64's mixer, Steele, Lea and Flood, OOPSLA 2014) computed with tensor
/// operations, for devices that offer no generator. One hash of 64 bits an element serves four masks of 16 bits, so a
/// keep probability is met to within 2⁻¹⁷.
/// </summary>
internal sealed class HashedDropout : DropoutSource
{
    private const int LaneBits = 16;
    private const int Lanes = 64 / LaneBits;
    private const long LaneValues = 1L << LaneBits;

    private readonly ulong _seed;
    private readonly Device _device;
    private ulong _hashes;
    private Tensor? _bits;
    private int _lane;

    public HashedDropout(ulong seed, Device device)
    {
        _seed = seed;
        _device = device;
    }

    public override Tensor Mask(Tensor x, double keep)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (_bits is null || _bits.numel() != x.numel() || _lane == Lanes)
        {
            _bits?.Dispose();
            _bits = Hash(x.numel()).DetachFromDisposeScope();
            _lane = 0;
        }
        var lane = _bits.bitwise_right_shift(tensor((long)(LaneBits * _lane++))).bitwise_and_(tensor(LaneValues - 1));
        return lane.lt((long)Math.Round(keep * LaneValues)).to(x.dtype).div_(keep).view(x.shape).MoveToOuterDisposeScope();
    }

    public override void Dispose() => _bits?.Dispose();

    private Tensor Hash(long count)
    {
        var offset = SeededRandom.Mix(_seed + _hashes++ * 0x9E3779B97F4A7C15);
        // Mixed products of consecutive integers; products wrap, as they do in the scalar form.
        var z = arange(count, dtype: ScalarType.Int64, device: _device).add_((long)(offset >> 1)).mul_(unchecked((long)0x9E3779B97F4A7C15));
        z = XorShift(z, 30).mul_(unchecked((long)0xBF58476D1CE4E5B9));
        z = XorShift(z, 27).mul_(unchecked((long)0x94D049BB133111EB));
        return XorShift(z, 31);
    }

    /// <summary>z ^= z ≫ by, the shift without the sign.</summary>
    private static Tensor XorShift(Tensor z, int by) =>
        z.bitwise_xor_(z.bitwise_right_shift(tensor((long)by)).bitwise_and_(tensor((1L << (64 - by)) - 1)));
}
