using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>
/// Scores with a <see cref="CpuEncoder"/>. Where there are batches for all threads, each computes one by itself; otherwise
/// they share the operations of a batch. Calls that run at the same time share the threads.
/// </summary>
internal sealed class CpuScorer : IMergedScorer
{
    // A second-level cache holds the activations of about this many tokens.
    private const int Tokens = 256;

    private readonly CpuEncoder _encoder;
    private readonly int _tokensPerBatch, _threads;
    private int _calls;

    /// <inheritdoc cref="RobertaPredictor(RobertaConfig, IReadOnlyDictionary{string, Tensor}, PredictorOptions)"/>
    public CpuScorer(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, PredictorOptions options)
    {
        _encoder = new(config, weights, options.Pooling);
        _tokensPerBatch = options.MaxTokensPerBatch ?? Tokens;
        _threads = options.CpuThreads;
    }

    public Device Device => CPU;

    public bool IsAsynchronous => false;

    public int Outputs => _encoder.Outputs;

    public PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken)
    {
        int threads = Math.Max(1, _threads / Interlocked.Increment(ref _calls));
        try
        {
            return PendingLogits.Ready(Score(texts, threads, cancellationToken), use);
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }

    public T With<T>(Func<MergedModel, T> compute)
    {
        using var model = _encoder.ToMergedModel();
        return compute(model);
    }

    public void Dispose()
    {
        // The collector owns all memory.
    }

    private float[][] Score(IReadOnlyList<EncodedText> texts, int threads, CancellationToken cancellationToken)
    {
        var batches = Batches(texts);
        var logits = new float[texts.Count][];
        if (batches.Count < threads || threads == 1)
            foreach (var batch in batches)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Score(texts, batch, logits, new CpuTeam(threads));
            }
        else
            Parallel.ForEach(batches, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellationToken },
                batch => Score(texts, batch, logits, CpuTeam.Alone));
        return logits;
    }

    private void Score(IReadOnlyList<EncodedText> texts, Range rows, float[][] logits, CpuTeam team)
    {
        var (start, count) = rows.GetOffsetAndLength(texts.Count);
        var batch = new EncodedText[count];
        for (int i = 0; i < count; i++)
            batch[i] = texts[start + i];
        _encoder.Score(new UnpaddedTexts(batch), team).CopyTo(logits, start);
    }

    /// <summary>Neighbouring rows: without padding, there is nothing to gain from another order.</summary>
    private List<Range> Batches(IReadOnlyList<EncodedText> texts)
    {
        var batches = new List<Range>();
        int start = 0, tokens = 0;
        for (int i = 0; i < texts.Count; i++)
        {
            if (i > start && tokens + texts[i].Length > _tokensPerBatch)
            {
                batches.Add(start..i);
                (start, tokens) = (i, 0);
            }
            tokens += texts[i].Length;
        }
        if (start < texts.Count)
            batches.Add(start..texts.Count);
        return batches;
    }
}
