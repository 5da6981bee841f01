using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// Scores rows of several adapters together. Batches hold rows of like length whatever their adapters; within a batch the rows
/// of an adapter are neighbours.
/// </summary>
internal sealed class MixedPredictor(RobertaConfig config, SubwordTokenizer tokenizer, ScoringEncoder encoder, PredictorOptions options) : IDisposable
{
    public ScoringEncoder Encoder => encoder;

    /// <summary>The base's vocabulary; each adapter has a rule of its own.</summary>
    public SubwordTokenizer Tokenizer => tokenizer;

    /// <summary>Each row's logits, in the rows' order; their number is the adapter's.</summary>
    /// <param name="rows">Texts with their adapters, which must stay open for the call.</param>
    public float[][] Predict(IReadOnlyList<(LibraryAdapter Adapter, TextPair Text)> rows)
    {
        if (rows.Count == 0)
            return [];
        var encoded = new EncodedText[rows.Count][];
        if (encoded.Length == 1)
            Encode(0);
        else
            Parallel.For(0, encoded.Length, Encode);
        var logits = Predict([.. rows.SelectMany((r, i) => encoded[i].Select(_ => r.Adapter))], TextEncoder.Rows(encoded));
        var result = new float[rows.Count][];
        for (int i = 0, row = 0; i < result.Length; row += encoded[i++].Length)
            result[i] = rows[i].Adapter.Encoder.Combine(logits.AsSpan(row, encoded[i].Length));
        return result;

        void Encode(int i) => encoded[i] = rows[i].Adapter.Encoder.Encode(rows[i].Adapter.Info.IsPair ? rows[i].Text : rows[i].Text with { Second = null });
    }

    public void Dispose() => encoder.Dispose();

    /// <summary>Each row's logits.</summary>
    private float[][] Predict(LibraryAdapter[] adapters, EncodedText[] texts)
    {
        if (texts.Length == 0)
            return [];

        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var order = adapters.Distinct().Select((adapter, i) => (adapter, i)).ToDictionary(a => a.adapter, a => a.i);
        var logits = new List<Tensor>();
        var placed = new List<int>(texts.Length);
        foreach (var planned in LengthPlan.Create([.. texts.Select(t => t.Length)], options.TokensPerBatch(encoder.Device), PredictorOptions.BatchCost(encoder.Device)))
        {
            using var batchScope = NewDisposeScope();
            int[] batch = [.. planned.OrderBy(r => order[adapters[r]])];
            var slices = Slices(batch, r => adapters[r].Weights);
            var hidden = encoder.forward(BatchBuilder.Build(texts, batch, config.PadTokenId, encoder.Device), slices);
            foreach (var slice in slices)
                logits.Add(adapters[batch[slice.Start]].Weights.Head.Logits(hidden.narrow(0, slice.Start, slice.Rows)).reshape(-1).MoveToOuterDisposeScope());
            placed.AddRange(batch);
        }
        // One copy from the device, which would otherwise be waited for after every batch.
        return InOrder(cat(logits.ToArray(), 0).cpu().data<float>().ToArray(), placed, r => adapters[r].Weights.Head.Outputs);
    }

    private static List<AdapterSlice> Slices(int[] batch, Func<int, AdapterWeights> adapter)
    {
        var slices = new List<AdapterSlice>();
        for (int start = 0, end; start < batch.Length; start = end)
        {
            var own = adapter(batch[start]);
            for (end = start + 1; end < batch.Length && ReferenceEquals(adapter(batch[end]), own);)
                end++;
            slices.Add(new(own, start, end - start));
        }
        return slices;
    }

    private static float[][] InOrder(float[] values, List<int> placed, Func<int, int> outputs)
    {
        var result = new float[placed.Count][];
        int start = 0;
        foreach (int row in placed)
        {
            int count = outputs(row);
            result[row] = values[start..(start + count)];
            start += count;
        }
        return result;
    }
}
