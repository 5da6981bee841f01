using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>The ids of all batches of a call, which go to the device in one copy; a batch is a view of it.</summary>
internal sealed class TokenBuffer
{
    private readonly (long Start, int Rows, int Length, bool IsPadded)[] _batches;
    private readonly Tensor _ids;
    private readonly int _padId;

    /// <summary>Lays the batches one after another. The tensor belongs to the current dispose scope.</summary>
    /// <param name="texts">All rows.</param>
    /// <param name="batches">Row numbers of each batch.</param>
    /// <param name="padId">The padding token, which no text contains.</param>
    /// <param name="device">Where the batches go.</param>
    public TokenBuffer(IReadOnlyList<EncodedText> texts, IReadOnlyList<int[]> batches, int padId, Device device)
    {
        _padId = padId;
        _batches = new (long, int, int, bool)[batches.Count];
        long total = 0;
        for (int i = 0; i < batches.Count; i++)
        {
            int length = 0, shortest = int.MaxValue;
            foreach (int row in batches[i])
            {
                length = Math.Max(length, texts[row].Length);
                shortest = Math.Min(shortest, texts[row].Length);
            }
            _batches[i] = (total, batches[i].Length, length, shortest < length);
            total += (long)batches[i].Length * length;
        }

        // Written where it stays: an array of this size would be garbage that only full collections free.
        var host = empty(total, ScalarType.Int64, CPU);
        for (int i = 0; i < batches.Count; i++)
        {
            var (start, rows, length, _) = _batches[i];
            using var piece = host.narrow(0, start, (long)rows * length);
            var ids = MemoryMarshal.Cast<byte, long>(piece.bytes);
            for (int r = 0; r < rows; r++)
            {
                var text = texts[batches[i][r]].Ids;
                var target = ids.Slice(r * length, length);
                for (int j = 0; j < text.Length; j++)
                    target[j] = text[j];
                target[text.Length..].Fill(padId);
            }
        }
        // From pinned memory the copy is queued like a kernel, and nothing waits for it.
        _ids = device.type == DeviceType.CUDA ? host.pin_memory().to(device, false, false, true) : host.to(device);
    }

    /// <summary>A batch, without a mask where its rows are of one length. The tensors belong to the current dispose scope.</summary>
    public EncodedBatch this[int index]
    {
        get
        {
            var (start, rows, length, isPadded) = _batches[index];
            var ids = _ids.narrow(0, start, (long)rows * length).view(rows, length);
            return new(ids, isPadded ? ids.Ne(_padId) : null);
        }
    }
}
