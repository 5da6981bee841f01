using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>ONNX Runtime as its examples drive it: a session of its defaults but the threads, rows sorted by length, 32 a batch.</summary>
internal sealed class HandDrivenScorer : ITextScorer
{
    private const int Rows = 32;

    private readonly SubwordTokenizer _tokenizer;
    private readonly int _maxLength, _padding;
    private readonly InferenceSession _session;

    public HandDrivenScorer(string file, SubwordTokenizer tokenizer, int maxLength, int padding, int threads)
    {
        (_tokenizer, _maxLength, _padding) = (tokenizer, maxLength, padding);
        using var options = new SessionOptions { IntraOpNumThreads = threads };
        _session = new(file, options);
    }

    public float[][] Score(IReadOnlyList<TextPair> texts)
    {
        var logits = new float[texts.Count][];
        var encoded = texts.Select((t, i) => (Row: i, _tokenizer.Encode(t.First, t.Second, _maxLength).Ids)).OrderBy(r => r.Ids.Length);
        foreach (var batch in encoded.Chunk(Rows))
        {
            int length = batch[^1].Ids.Length;
            long[] ids = [.. batch.SelectMany(r => r.Ids.Select(id => (long)id).Concat(Enumerable.Repeat((long)_padding, length - r.Ids.Length)))];
            long[] mask = [.. ids.Select(id => id == _padding ? 0L : 1L)];
            using var inputIds = OrtValue.CreateTensorValueFromMemory(ids, [batch.Length, length]);
            using var attentionMask = OrtValue.CreateTensorValueFromMemory(mask, [batch.Length, length]);
            using var run = new RunOptions();
            using var results = _session.Run(run, ["input_ids", "attention_mask"], [inputIds, attentionMask], ["logits"]);
            var values = results[0].GetTensorDataAsSpan<float>().ToArray().Chunk(results[0].GetTensorDataAsSpan<float>().Length / batch.Length).ToArray();
            for (int i = 0; i < batch.Length; i++)
                logits[batch[i].Row] = values[i];
        }
        return logits;
    }

    public void Dispose() => _session.Dispose();
}
