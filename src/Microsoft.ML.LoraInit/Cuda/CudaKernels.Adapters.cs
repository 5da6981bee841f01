using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <content>The adapters' numbers on their way to and from matrices.</content>
internal sealed partial class CudaKernels
{
    public override bool GivesRoom => true;

    public override void Spread(Tensor flat, Tensor? start, SpreadMap map, Tensor values)
    {
        long count = map.From.numel();
        _launcher.Check(flat, nameof(flat), ScalarType.Float32, flat.numel());
        _launcher.Check(values, nameof(values), values.dtype, values.numel());
        _launcher.Check(map.From, nameof(map), ScalarType.Int64, count);
        _launcher.Check(map.To, nameof(map), ScalarType.Int64, count);
        _launcher.Check(map.Scale, nameof(map), ScalarType.Float32, count);
        if (map.Share is not null)
        {
            _launcher.Check(map.Share, nameof(map), ScalarType.Float32, count);
            _launcher.Check(start ?? throw new ArgumentNullException(nameof(start)), nameof(start), ScalarType.Float32, flat.numel());
        }
        _launcher.Launch(AdaptersProgram(values.dtype), "spread", (count + Block - 1) / Block, Block,
            KernelLauncher.Value(flat), KernelLauncher.Value(start), KernelLauncher.Value(map.From), KernelLauncher.Value(map.To),
            KernelLauncher.Value(map.Scale), KernelLauncher.Value(map.Share), KernelLauncher.Value(values), KernelLauncher.Value(count));
    }

    public override void Collect(Tensor gradients, CollectMap map, Tensor flat)
    {
        long count = map.To.numel();
        _launcher.Check(gradients, nameof(gradients), gradients.dtype, gradients.numel());
        _launcher.Check(flat, nameof(flat), ScalarType.Float32, flat.numel());
        _launcher.Check(map.First, nameof(map), ScalarType.Int64, count);
        if (map.Second is not null)
            _launcher.Check(map.Second, nameof(map), ScalarType.Int64, count);
        _launcher.Check(map.To, nameof(map), ScalarType.Int64, count);
        _launcher.Check(map.Scale, nameof(map), ScalarType.Float32, count);
        _launcher.Launch(AdaptersProgram(gradients.dtype), "collect", (count + Block - 1) / Block, Block,
            KernelLauncher.Value(gradients), KernelLauncher.Value(map.First), KernelLauncher.Value(map.Second), KernelLauncher.Value(map.To),
            KernelLauncher.Value(map.Scale), KernelLauncher.Value(flat), KernelLauncher.Value(count));
    }

    private static KernelProgram AdaptersProgram(ScalarType type) => KernelProgram.For(type, "Element Adapters");
}
