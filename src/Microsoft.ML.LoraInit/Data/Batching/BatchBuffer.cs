using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>
/// A batch of a fixed shape in two pieces of host memory, so that two copies bring it to the device: integers (ids, lengths,
/// integer targets) and floats (weights, other targets). Rows that are missing in a batch that is not full repeat its first
/// row with weight 0.
/// </summary>
/// <param name="Shape">Which shape.</param>
/// <param name="Integers">Int64, as <see cref="BatchBufferShape"/> lays it out.</param>
/// <param name="Floats">Fp32, likewise.</param>
internal sealed record BatchBuffer(BatchBufferShape Shape, Tensor Integers, Tensor Floats) : IDisposable
{
    /// <param name="data">All rows.</param>
    /// <param name="rows">The batch's rows; at most <paramref name="batchSize"/>.</param>
    /// <param name="task">Converts labels.</param>
    /// <param name="padId">The padding token.</param>
    /// <param name="batchSize">Rows of the shape.</param>
    /// <param name="maxLength">The model's maximal length.</param>
    /// <param name="pinned">Whether the memory is page-locked, for copies that do not wait.</param>
    public static BatchBuffer Build(TextDataset data, int[] rows, TextTask task, int padId, int batchSize, int maxLength, bool pinned)
    {
        using var scope = NewDisposeScope();
        var all = new int[batchSize];
        rows.CopyTo(all, 0);
        all.AsSpan(rows.Length).Fill(rows[0]);
        int longest = rows.Max(i => data.Texts[i].Length), shortest = rows.Min(i => data.Texts[i].Length);
        var length = LengthBuckets.Of(longest, maxLength);

        var targets = task.Targets(data.LabelsOf(all), CPU);
        var integral = targets.dtype == ScalarType.Int64;
        var shape = new BatchBufferShape(batchSize, length, shortest < length, targets.shape.Aggregate(1L, (a, b) => a * b) / batchSize, integral, targets.shape.Length);

        var integers = new long[shape.IntegerCount];
        var floats = new float[shape.FloatCount];
        for (int i = 0; i < batchSize; i++)
        {
            Fill(data.Texts[all[i]], integers.AsSpan(i * length, length), padId);
            integers[batchSize * length + i] = data.Texts[all[i]].Length;
            floats[i] = i < rows.Length ? data.Weights?[all[i]] ?? 1f : 0f;
        }
        if (integral)
            targets.reshape(-1).data<long>().CopyTo(integers.AsSpan((int)shape.TargetStart), 0, 0);
        else
            targets.to(ScalarType.Float32).reshape(-1).data<float>().CopyTo(floats.AsSpan((int)shape.TargetStart), 0, 0);
        return new(shape, Place(tensor(integers)), Place(tensor(floats)));

        Tensor Place(Tensor value) => (pinned ? value.pin_memory() : value).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        Integers.Dispose();
        Floats.Dispose();
    }

    private static void Fill(EncodedText text, Span<long> target, int padId)
    {
        for (int j = 0; j < text.Length; j++)
            target[j] = text.Ids[j];
        target[text.Length..].Fill(padId);
    }
}

/// <summary>The shape of a <see cref="BatchBuffer"/>: batches of one shape can share buffers and a captured graph.</summary>
/// <param name="Rows">Rows, those of weight 0 included.</param>
/// <param name="Length">Tokens a row, padding included.</param>
/// <param name="Padded">Whether any row has padding.</param>
/// <param name="TargetsARow">Numbers a row that the loss takes.</param>
/// <param name="IntegerTargets">Whether these are integers.</param>
/// <param name="TargetDimensions">1 for [rows], 2 for [rows, targets].</param>
internal sealed record BatchBufferShape(int Rows, int Length, bool Padded, long TargetsARow, bool IntegerTargets, int TargetDimensions)
{
    /// <summary>Ids [rows, length], lengths [rows], then integer targets.</summary>
    public long IntegerCount => (long)Rows * Length + Rows + (IntegerTargets ? Rows * TargetsARow : 0);

    /// <summary>Weights [rows], then other targets.</summary>
    public long FloatCount => Rows + (IntegerTargets ? 0 : Rows * TargetsARow);

    /// <summary>Where the targets begin, in whichever of the two they are.</summary>
    public long TargetStart => IntegerTargets ? (long)Rows * Length + Rows : Rows;
}
