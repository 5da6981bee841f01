using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>Puts rows side by side for a model.</summary>
internal static class BatchBuilder
{
    /// <summary>
    /// The chosen rows, padded on the right to the longest of them, in one copy to the device. The tensors belong to
    /// the current dispose scope.
    /// </summary>
    /// <param name="texts">All rows.</param>
    /// <param name="rows">Indices of the chosen ones, in the batch's order; at least one.</param>
    /// <param name="padId">The padding token, which no text contains.</param>
    /// <param name="device">Where the batch goes.</param>
    public static EncodedBatch Build(IReadOnlyList<EncodedText> texts, ReadOnlySpan<int> rows, int padId, Device device)
    {
        if (rows.IsEmpty)
            throw new ArgumentException("A batch needs at least one row.", nameof(rows));
        int length = 0, shortest = int.MaxValue;
        foreach (int row in rows)
        {
            length = Math.Max(length, texts[row].Length);
            shortest = Math.Min(shortest, texts[row].Length);
        }

        var host = Host(texts, rows, padId, rows.Length, length);
        // From pinned memory the copy is queued like a kernel, and nothing waits for it. Not for many batches at once: for larger copies
        // libtorch wakes its team of threads, which keep all cores busy for some milliseconds afterwards.
        var inputIds = device.type == DeviceType.CUDA ? host.pin_memory().to(device, false, false, true) : host.to(device);
        return new(inputIds, shortest == length ? null : inputIds.Ne(padId));
    }

    /// <summary>The chosen rows' ids on the host, int64 [count, length], in the current dispose scope.</summary>
    /// <param name="texts">All rows.</param>
    /// <param name="rows">Indices of the chosen ones.</param>
    /// <param name="padId">Fills rows up on the right.</param>
    /// <param name="count">Rows of the result, at least as many as are chosen; the first is repeated in the others.</param>
    /// <param name="length">Tokens a row, at least as many as the longest chosen one's.</param>
    public static Tensor Host(IReadOnlyList<EncodedText> texts, ReadOnlySpan<int> rows, int padId, int count, int length)
    {
        // Written where it stays: an array of this size would be garbage that only full collections free.
        var host = empty(count, length, ScalarType.Int64, CPU);
        var ids = MemoryMarshal.Cast<byte, long>(host.bytes);
        for (int i = 0; i < count; i++)
        {
            var text = texts[rows[i < rows.Length ? i : 0]].Ids;
            var target = ids.Slice(i * length, length);
            for (int j = 0; j < text.Length; j++)
                target[j] = text[j];
            target[text.Length..].Fill(padId);
        }
        return host;
    }
}
