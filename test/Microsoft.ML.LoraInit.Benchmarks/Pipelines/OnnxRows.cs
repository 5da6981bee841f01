using System.Diagnostics;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>The same model, merged and exported, by ONNX Runtime: tokenised here and in batches of rows of like length, as tensors score them.</summary>
internal static class OnnxRows
{
    public const string Variant = "onnxruntime";

    // As tensors on a CPU.
    private const int TokensPerBatch = 1024, BatchCost = 48;

    /// <param name="opened">Whose tokenizer is used.</param>
    /// <param name="model">What is exported.</param>
    /// <param name="rows">The texts.</param>
    /// <param name="maxLength">Tokens a row at most; null for the model's maximum.</param>
    /// <param name="repeats">Passes; their median counts.</param>
    public static SortedDictionary<string, double> Measure(OpenedBase opened, LoraTextTransformer model, TextPairRow[] rows, int? maxLength, int repeats)
    {
        using var files = opened.Checkpoint.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var folder = Directory.CreateTempSubdirectory("lorainit-onnx-").FullName;
        try
        {
            var path = Path.Combine(folder, "model.onnx");
            model.SaveOnnxModel(path);
            using var options = new SessionOptions { IntraOpNumThreads = get_num_threads() };
            using var session = new InferenceSession(path, options);
            using var run = new RunOptions();
            Pass(rows[..Math.Max(1, rows.Length / 8)]);
            var cpu = Environment.CpuUsage.TotalTime;
            var seconds = Statistics.Median(Enumerable.Range(0, repeats).Select(_ => Pass(rows)).ToArray());
            return new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = rows.Length / seconds,
                [BenchmarkRow.Cpu] = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / (repeats * rows.Length),
                ["rows"] = rows.Length,
                ["seconds"] = seconds,
            };

            double Pass(TextPairRow[] part)
            {
                var started = Stopwatch.GetTimestamp();
                var texts = part.AsParallel().AsOrdered().WithDegreeOfParallelism(get_num_threads())
                    .Select(r => tokenizer.Encode(r.Text, r.Text2.Length > 0 ? r.Text2 : null, maxLength ?? files.Config.MaxLength)).ToArray();
                foreach (var batch in LengthPlan.Create([.. texts.Select(t => t.Length)], TokensPerBatch, BatchCost))
                    Score(session, run, [.. batch.Select(r => texts[r])], files.Config.PadTokenId);
                return Stopwatch.GetElapsedTime(started).TotalSeconds;
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Score(InferenceSession session, RunOptions run, EncodedText[] texts, int padding)
    {
        int length = texts.Max(t => t.Length);
        var (ids, mask) = (new long[texts.Length * length], new long[texts.Length * length]);
        Array.Fill(ids, padding);
        for (int row = 0; row < texts.Length; row++)
            for (int i = 0; i < texts[row].Length; i++)
                (ids[(row * length) + i], mask[(row * length) + i]) = (texts[row].Ids[i], 1);
        long[] shape = [texts.Length, length];
        using var inputs = OrtValue.CreateTensorValueFromMemory(ids, shape);
        using var attended = OrtValue.CreateTensorValueFromMemory(mask, shape);
        using var results = session.Run(run, ["input_ids", "attention_mask"], [inputs, attended], ["logits"]);
        GC.KeepAlive(results[0].GetTensorDataAsSpan<float>().ToArray());
    }
}
