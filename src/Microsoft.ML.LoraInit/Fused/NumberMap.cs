using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>Numbers that lie one after another in the flat buffer and as rows among the matrices.</summary>
/// <param name="Flat">Where they begin in the flat buffer.</param>
/// <param name="Rows">Rows of them.</param>
/// <param name="Columns">Numbers a row.</param>
/// <param name="Place">Where they begin among the matrices.</param>
/// <param name="Other">Where others begin that count too; null for none.</param>
/// <param name="Stride">Numbers from a row to the next among the matrices.</param>
/// <param name="Scale">Multiplies them.</param>
/// <param name="Changes">Whether what they started from is taken off.</param>
internal readonly record struct NumberBlock(long Flat, long Rows, long Columns, long Place, long? Other, long Stride, double Scale, bool Changes)
{
    public long Count => Rows * Columns;

    /// <summary>The numbers in the flat buffer, [rows, columns]; a view.</summary>
    public Tensor In(Tensor flat) => flat.narrow(0, Flat, Count).view(Rows, Columns);

    /// <summary>The numbers among the matrices from a place on, [rows, columns]; a view.</summary>
    public Tensor Among(Tensor matrices, long place) => matrices.as_strided([Rows, Columns], [Stride, 1], place);
}

/// <summary>Where numbers go from the flat buffer to matrices, or from their gradients to the flat buffer's; places that are written to occur once.</summary>
internal sealed class NumberMap : IDisposable
{
    /// <summary>Numbers that a GPU's block of threads has, all of one <see cref="NumberBlock"/>.</summary>
    public const int Tile = 256;

    /// <param name="blocks">The numbers.</param>
    /// <param name="device">Where they lie.</param>
    /// <exception cref="ArgumentException">A block is too large for a GPU's indices.</exception>
    public NumberMap(IEnumerable<NumberBlock> blocks, Device device)
    {
        Blocks = [.. blocks];
        if (device.type != DeviceType.CUDA)
            return;
        var table = new List<long>();
        var owners = new List<int>();
        for (int i = 0; i < Blocks.Count; i++)
        {
            var block = Blocks[i];
            if (block.Count > int.MaxValue)
                throw new ArgumentException($"An adapter's matrix has {block.Count} numbers; kernels take {int.MaxValue} at most.", nameof(blocks));
            table.AddRange([block.Flat, block.Columns, block.Place, block.Other ?? -1, block.Stride, owners.Count, block.Count, block.Changes ? 1 : 0]);
            owners.AddRange(Enumerable.Repeat(i, (int)((block.Count + Tile - 1) / Tile)));
        }
        using var scope = NewDisposeScope();
        Table = tensor(table.ToArray(), [Blocks.Count, 8]).to(device).DetachFromDisposeScope();
        Scales = tensor(Blocks.Select(b => (float)b.Scale).ToArray()).to(device).DetachFromDisposeScope();
        Owners = tensor(owners.ToArray()).to(device).DetachFromDisposeScope();
    }

    public IReadOnlyList<NumberBlock> Blocks { get; }

    /// <summary>For a GPU's kernel, Int64 [blocks, 8]: flat, columns, place, other or −1, stride, the block's first tile, count, changes.</summary>
    public Tensor? Table { get; }

    /// <summary>For a GPU's kernel, fp32 [blocks].</summary>
    public Tensor? Scales { get; }

    /// <summary>For a GPU's kernel, Int32 [tiles]: each tile's block.</summary>
    public Tensor? Owners { get; }

    public void Dispose()
    {
        Table?.Dispose();
        Scales?.Dispose();
        Owners?.Dispose();
    }
}
