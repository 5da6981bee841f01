using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// Masks from a seed that lies on the device: each is a counter-based hash
/// (SplitMix64's mixer, Steele, Lea and Flood, OOPSLA 2014) of seed, mask and element. One hash of 64 bits serves four
/// elements, so a keep probability is met to within 2⁻¹⁷.
/// </summary>
/// <param name="kernels">Compute the masks.</param>
/// <param name="seed">Int64 [1].</param>
/// <param name="first">The first mask's index; it counts up within a pass.</param>
internal sealed class KernelDropout(EncoderKernels kernels, Tensor seed, int first = 0) : DropoutSource
{
    private int _index = first;
    private bool _ownsSeed;

    /// <summary>A source of its own seed, for a device.</summary>
    /// <remarks>A hash: TorchSharp, 0.107.0 too, makes CPU generators only, whatever device it is asked for, and those are slower.</remarks>
    public static KernelDropout FromSeed(ulong seed, Device device) =>
        new(device.type == TorchSharp.DeviceType.CPU ? new CpuKernels() : new TensorKernels(), tensor(new[] { (long)seed }, device: device).DetachFromDisposeScope()) { _ownsSeed = true };

    public override Tensor Mask(Tensor x, double keep) => kernels.Mask(x.shape, x.dtype, new(seed, _index++, keep));

    public override void Dispose()
    {
        if (_ownsSeed)
            seed.Dispose();
    }
}
