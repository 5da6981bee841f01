using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// Scores rows of several adapters together. Batches hold rows of like length whatever their adapters; within a batch the store of
/// the adapters says which rows are neighbours.
/// </summary>
internal sealed class MixedPredictor(RobertaConfig config, SubwordTokenizer tokenizer, ScoringEncoder encoder, IAdapterStore store, PredictorOptions options) : IDisposable
{
    public ScoringEncoder Encoder => encoder;

    /// <summary>Where the adapters lie.</summary>
    public IAdapterStore Store => store;

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
        var logits = new List<Tensor>();
        var placed = new List<(int Row, int Width)>(texts.Length);
        foreach (var planned in LengthPlan.Create([.. texts.Select(t => t.Length)], options.TokensPerBatch(encoder.Device), PredictorOptions.BatchCost(encoder.Device)))
        {
            using var batchScope = NewDisposeScope();
            using var batch = store.Begin([.. planned.Select(r => adapters[r].Weights)]);
            var hidden = encoder.forward(BatchBuilder.Build(texts, [.. batch.Order.Select(r => planned[r])], config.PadTokenId, encoder.Device), batch.Slices);
            foreach (var (rows, block) in batch.Logits(hidden))
            {
                placed.AddRange(rows.Select(r => (planned[r], (int)block.shape[1])));
                logits.Add(block.reshape(-1).MoveToOuterDisposeScope());
            }
        }
        // One copy from the device, which would otherwise be waited for after every batch.
        return InOrder(cat(logits.ToArray(), 0).cpu().data<float>().ToArray(), placed, r => adapters[r].Weights.Outputs);
    }

    private static float[][] InOrder(float[] values, List<(int Row, int Width)> placed, Func<int, int> outputs)
    {
        var result = new float[placed.Count][];
        int start = 0;
        foreach (var (row, width) in placed)
        {
            result[row] = values[start..(start + outputs(row))];
            start += width;
        }
        return result;
    }
}
