using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <content>The adapters' numbers on their way to and from matrices.</content>
internal sealed partial class CudaKernels
{
    public override bool GivesRoom => true;

    public override void Spread(Tensor flat, Tensor? start, NumberMap map, Tensor values)
    {
        _launcher.Check(flat, nameof(flat), ScalarType.Float32, flat.numel());
        _launcher.Check(values, nameof(values), values.dtype, values.numel());
        if (map.Blocks.Any(b => b.Changes))
            _launcher.Check(start ?? throw new ArgumentNullException(nameof(start)), nameof(start), ScalarType.Float32, flat.numel());
        var (table, scales, owners) = Check(map, flat.numel(), values.numel());
        _launcher.Launch(AdaptersProgram(values.dtype), "spread", owners.numel(), NumberMap.Tile,
            KernelLauncher.Value(flat), KernelLauncher.Value(start), KernelLauncher.Value(table), KernelLauncher.Value(scales),
            KernelLauncher.Value(owners), KernelLauncher.Value(values));
    }

    public override void Collect(Tensor gradients, NumberMap map, Tensor flat)
    {
        _launcher.Check(gradients, nameof(gradients), gradients.dtype, gradients.numel());
        _launcher.Check(flat, nameof(flat), ScalarType.Float32, flat.numel());
        var (table, scales, owners) = Check(map, flat.numel(), gradients.numel());
        _launcher.Launch(AdaptersProgram(gradients.dtype), "collect", owners.numel(), NumberMap.Tile,
            KernelLauncher.Value(gradients), KernelLauncher.Value(table), KernelLauncher.Value(scales), KernelLauncher.Value(owners),
            KernelLauncher.Value(flat));
    }

    private static KernelProgram AdaptersProgram(ScalarType type) => KernelProgram.For(type, "Element Adapters");

    private (Tensor Table, Tensor Scales, Tensor Owners) Check(NumberMap map, long flat, long matrices)
    {
        if (map is not { Table: { } table, Scales: { } scales, Owners: { } owners })
            throw new ArgumentException("The map was made for another device.", nameof(map));
        _launcher.Check(table, nameof(map), ScalarType.Int64, 8L * map.Blocks.Count);
        _launcher.Check(scales, nameof(map), ScalarType.Float32, map.Blocks.Count);
        _launcher.Check(owners, nameof(map), ScalarType.Int32, owners.numel());
        foreach (var block in map.Blocks)
        {
            if (block.Flat < 0 || block.Flat + block.Count > flat)
                throw new ArgumentException($"A map leads to number {block.Flat + block.Count} of a flat buffer of {flat}.", nameof(map));
            long last = Math.Max(block.Place, block.Other ?? 0) + ((block.Rows - 1) * block.Stride) + block.Columns;
            if (block.Place < 0 || last > matrices)
                throw new ArgumentException($"A map leads to number {last} of matrices of {matrices}.", nameof(map));
        }
        return (table, scales, owners);
    }
}
