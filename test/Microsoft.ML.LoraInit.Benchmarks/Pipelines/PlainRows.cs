using System.Diagnostics;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Benchmarks.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>
/// Rows as ML.NET's own text classifier scores them, in <c>Transform</c> too: each is tokenised and sent alone through the model
/// as it was trained, adapters unmerged, every token through every layer (dotnet/machinelearning, NasBertTrainer's row mapper).
/// </summary>
internal static class PlainRows
{
    public const string Variant = "row_by_row_plain";

    /// <param name="opened">Whose tokenizer is used; the weights are random, which changes no time.</param>
    /// <param name="rows">The texts.</param>
    /// <param name="count">How many times a row is scored.</param>
    /// <param name="setup">Shape, precision and device; <see cref="StepSetup.Length"/> is the longest row.</param>
    public static SortedDictionary<string, double> Measure(OpenedBase opened, TextPairRow[] rows, int count, StepSetup setup)
    {
        const int Warmup = 20;
        using var files = opened.Checkpoint.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var config = ModelShape.Config(setup.Shape, 0) with { VocabularySize = files.Config.VocabularySize };
        using var weights = ModelShape.RandomWeights(setup.Shape, config, setup.Type, setup.Device);
        using var model = new PlainRoberta(weights, setup);
        for (int i = 0; i < Warmup; i++)
            Score(rows[i % rows.Length]);
        var (started, cpu) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        for (int i = 0; i < count; i++)
            Score(rows[i % rows.Length]);
        return new(StringComparer.Ordinal)
        {
            [BenchmarkRow.Speed] = count / Stopwatch.GetElapsedTime(started).TotalSeconds,
            [BenchmarkRow.Cpu] = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / count,
            ["rows"] = count,
        };

        void Score(TextPairRow row)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var ids = tokenizer.Encode(row.Text, row.Text2.Length > 0 ? row.Text2 : null, setup.Length).Ids;
            var logits = model.forward(tensor(Array.ConvertAll(ids, id => (long)id), device: setup.Device).unsqueeze(0));
            GC.KeepAlive(logits.cpu().data<float>().ToArray());
        }
    }
}
