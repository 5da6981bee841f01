using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>The ids of all batches of a call, on their way to the device.</summary>
internal sealed class TokenBuffer
{
    private readonly (Tensor Ids, bool IsPadded)[] _batches;
    private readonly int _padId;

    /// <summary>Fills the batches. The tensors belong to the current dispose scope.</summary>
    /// <param name="texts">All rows.</param>
    /// <param name="batches">Row numbers of each batch.</param>
    /// <param name="padId">The padding token, which no text contains.</param>
    /// <param name="device">Where the batches go.</param>
    public TokenBuffer(IReadOnlyList<EncodedText> texts, IReadOnlyList<int[]> batches, int padId, Device device)
    {
        _padId = padId;
        _batches = new (Tensor, bool)[batches.Count];
        for (int i = 0; i < _batches.Length; i++)
        {
            int length = 0, shortest = int.MaxValue;
            foreach (int row in batches[i])
            {
                length = Math.Max(length, texts[row].Length);
                shortest = Math.Min(shortest, texts[row].Length);
            }
            _batches[i] = (Ids(texts, batches[i], length, device), shortest < length);
        }
    }

    /// <summary>A batch, without a mask where its rows are of one length. The tensors belong to the current dispose scope.</summary>
    public EncodedBatch this[int index]
    {
        get
        {
            var (ids, isPadded) = _batches[index];
            return new(ids, isPadded ? ids.Ne(_padId) : null);
        }
    }

    /// <summary>[rows, length] on the device.</summary>
    private Tensor Ids(IReadOnlyList<EncodedText> texts, int[] rows, int length, Device device)
    {
        // Written where it stays: an array of this size would be garbage that only full collections free.
        var host = empty(rows.Length, length, ScalarType.Int64, CPU);
        var ids = MemoryMarshal.Cast<byte, long>(host.bytes);
        for (int r = 0; r < rows.Length; r++)
        {
            var text = texts[rows[r]].Ids;
            var target = ids.Slice(r * length, length);
            for (int j = 0; j < text.Length; j++)
                target[j] = text[j];
            target[text.Length..].Fill(_padId);
        }
        // From pinned memory the copy is queued like a kernel, and nothing waits for it. A batch at a time: for larger copies libtorch
        // wakes its team of threads, which keep all cores busy for some milliseconds afterwards.
        return device.type == DeviceType.CUDA ? host.pin_memory().to(device, false, false, true) : host.to(device);
    }
}
