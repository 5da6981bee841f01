using System.Runtime.ExceptionServices;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>
/// Scores with ONNX Runtime, in batches of rows of like length. Where there are batches for all threads of a CPU, as many run at a time;
/// otherwise, and for calls of few rows, the operators of a batch share the threads.
/// </summary>
internal sealed class OnnxScorer : IRowScorer
{
    private const string InputIds = "input_ids", AttentionMask = "attention_mask", Logits = "logits";

    // What a cache's worth of activations is, and what the calls of a batch cost, in tokens.
    private const int CpuTokens = 512, GpuTokens = 16384, CpuBatchCost = 48, GpuBatchCost = 2048;

    private static readonly string[] Inputs = [InputIds, AttentionMask];
    private static readonly string[] Wanted = [Logits];

    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    private readonly NativeFootprint _footprint;
    private readonly long _padding;
    private readonly int _tokensPerBatch, _batchCost, _batchesAtATime;

    /// <param name="model">The ONNX file.</param>
    /// <param name="padding">The id that fills rows up.</param>
    /// <param name="options">What computes.</param>
    /// <param name="predictor">Threads and tokens a batch.</param>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library or the execution provider is missing.</exception>
    /// <exception cref="InvalidDataException">The file is no model of this library.</exception>
    public OnnxScorer(byte[] model, int padding, OnnxScoringOptions options, PredictorOptions predictor)
    {
        _padding = padding;
        _tokensPerBatch = predictor.MaxTokensPerBatch ?? (options.IsOnCpu ? CpuTokens : GpuTokens);
        _batchCost = options.IsOnCpu ? CpuBatchCost : GpuBatchCost;
        _batchesAtATime = options.IsOnCpu ? predictor.CpuThreads : 1;
        _session = OnnxSession.Open(model, options, predictor.CpuThreads);
        if (!Inputs.All(_session.InputMetadata.ContainsKey) || !_session.OutputMetadata.TryGetValue(Logits, out var logits) || logits.Dimensions is not [_, > 0])
        {
            _session.Dispose();
            throw new InvalidDataException($"The ONNX model does not have the inputs {InputIds} and {AttentionMask} and the output {Logits} of [batch, outputs].");
        }
        Outputs = logits.Dimensions[1];
        _footprint = new(model.LongLength);
    }

    public int Outputs { get; }

    public bool IsAsynchronous => false;

    public PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken)
    {
        var logits = new float[texts.Count][];
        var batches = LengthPlan.Create([.. texts.Select(t => t.Length)], _tokensPerBatch, _batchCost);
        if (_batchesAtATime > 1 && batches.Count >= _batchesAtATime)
            InParallel();
        else
            foreach (var batch in batches)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Score(texts, batch, logits);
            }
        return PendingLogits.Ready(logits, use);

        void InParallel()
        {
            try
            {
                Parallel.ForEach(batches, new ParallelOptions { MaxDegreeOfParallelism = _batchesAtATime, CancellationToken = cancellationToken }, batch => Score(texts, batch, logits));
            }
            catch (AggregateException e)
            {
                ExceptionDispatchInfo.Throw(e.InnerExceptions[0]); // as a batch alone would throw it
            }
        }
    }

    public void Dispose()
    {
        _run.Dispose();
        _session.Dispose();
        _footprint.Dispose();
    }

    private void Score(IReadOnlyList<EncodedText> texts, int[] rows, float[][] logits)
    {
        int length = rows.Max(row => texts[row].Length);
        var (ids, mask) = (new long[rows.Length * length], new long[rows.Length * length]);
        for (int i = 0; i < rows.Length; i++)
        {
            var text = texts[rows[i]].Ids;
            var rowIds = ids.AsSpan(i * length, length);
            for (int j = 0; j < text.Length; j++)
                rowIds[j] = text[j];
            rowIds[text.Length..].Fill(_padding);
            mask.AsSpan(i * length, text.Length).Fill(1);
        }
        long[] shape = [rows.Length, length];
        using var inputIds = OrtValue.CreateTensorValueFromMemory(ids, shape);
        using var attentionMask = OrtValue.CreateTensorValueFromMemory(mask, shape);
        using var results = _session.Run(_run, Inputs, [inputIds, attentionMask], Wanted);
        var values = results[0].GetTensorDataAsSpan<float>();
        for (int i = 0; i < rows.Length; i++)
            logits[rows[i]] = values.Slice(i * Outputs, Outputs).ToArray();
    }
}
