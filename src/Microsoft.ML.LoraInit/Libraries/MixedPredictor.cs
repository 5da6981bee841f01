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

    /// <summary>Whether <see cref="Begin"/> returns before the logits are there.</summary>
    public bool IsAsynchronous => encoder.Device.type != TorchSharp.DeviceType.CPU;

    /// <summary>Each text's rows of ids, as its adapter makes them.</summary>
    /// <param name="rows">Texts with their adapters.</param>
    /// <param name="cancellationToken">Looked at between texts.</param>
    public static EncodedText[][] Encode(IReadOnlyList<(LibraryAdapter Adapter, TextPair Text)> rows, CancellationToken cancellationToken)
    {
        var encoded = new EncodedText[rows.Count][];
        if (encoded.Length == 1)
            Encode(0);
        else
            Parallel.For(0, encoded.Length, new ParallelOptions { CancellationToken = cancellationToken }, Encode);
        return encoded;

        void Encode(int i) => encoded[i] = rows[i].Adapter.Encoder.Encode(rows[i].Adapter.Info.IsPair ? rows[i].Text : rows[i].Text with { Second = null });
    }

    /// <summary>Starts to score: on a GPU this returns as soon as the work is queued there.</summary>
    /// <param name="rows">Texts with their adapters, which must stay open until the logits are read.</param>
    /// <param name="encoded">What <see cref="Encode"/> made of them.</param>
    public MixedLogits Begin(IReadOnlyList<(LibraryAdapter Adapter, TextPair Text)> rows, EncodedText[][] encoded)
    {
        var (values, placed) = Queue([.. rows.SelectMany((r, i) => encoded[i].Select(_ => r.Adapter))], TextEncoder.Rows(encoded));
        return new(rows, encoded, values, placed);
    }

    public void Dispose() => encoder.Dispose();

    /// <summary>The logits of all rows one after another, and of which row each is.</summary>
    private (Tensor? Values, List<(int Row, int Width)> Placed) Queue(LibraryAdapter[] adapters, EncodedText[] texts)
    {
        var placed = new List<(int Row, int Width)>(texts.Length);
        if (texts.Length == 0)
            return (null, placed);

        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var logits = new List<Tensor>();
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
        return (cat(logits.ToArray(), 0).DetachFromDisposeScope(), placed);
    }
}
