using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Logits of texts by several adapters, which a device may still be computing.</summary>
/// <param name="rows">The texts with their adapters.</param>
/// <param name="encoded">Each text's rows of ids.</param>
/// <param name="values">fp32 [numbers], or null where there are no rows; taken over.</param>
/// <param name="placed">Which row's logits the numbers are, one after another, and how many numbers belong to it.</param>
internal sealed class MixedLogits(
    IReadOnlyList<(LibraryAdapter Adapter, TextPair Text)> rows, EncodedText[][] encoded, Tensor? values, IReadOnlyList<(int Row, int Width)> placed) : IDisposable
{
    private readonly Readback? _values = values is null ? null : new(values);

    /// <summary>Waits for the device; each text's logits, in the texts' order, as many as its adapter has.</summary>
    public float[][] Read()
    {
        var numbers = _values?.Read() ?? [];
        var pieces = new ArraySegment<float>[placed.Count];
        int start = 0;
        foreach (var (row, width) in placed)
        {
            pieces[row] = new(numbers, start, width);
            start += width;
        }
        var result = new float[rows.Count][];
        for (int i = 0, row = 0; i < result.Length; row += encoded[i++].Length)
        {
            var adapter = rows[i].Adapter;
            var own = new float[encoded[i].Length][];
            for (int j = 0; j < own.Length; j++)
                own[j] = pieces[row + j].Slice(0, adapter.Weights.Outputs).ToArray(); // what it was filled up with is left
            result[i] = adapter.Encoder.Combine(own);
        }
        return result;
    }

    public void Dispose() => _values?.Dispose();
}
