using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Benchmarks.Steps;
using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary><c>inference</c>: rows a second through <c>Transform</c>, against one row at a time, and the latency of one row.</summary>
internal static class InferenceBenchmark
{
    private const string Name = "inference";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Transform over a view of texts, tokenisation included, against ML.NET's row-by-row pattern (a PredictionEngine called for each row), whose calls are timed one by one.");
        var bases = new BaseOptions(command);
        var length = CommonOptions.List("--length", "Tokens of every row, of random words.", 128);
        var data = new Option<string?>("--data") { Description = "Folder with the tasks' folders: score the dev rows of --task instead.", HelpName = "DIR" };
        var tasks = new Option<string[]>("--task") { Description = "GLUE tasks.", DefaultValueFactory = _ => ["mrpc"], AllowMultipleArgumentsPerToken = true };
        var rows = new Option<int>("--rows") { Description = "Rows through Transform (at most, with --data).", DefaultValueFactory = _ => 2048 };
        var single = new Option<int>("--single-rows") { Description = "Rows through the PredictionEngine.", DefaultValueFactory = _ => 300 };
        var callers = CommonOptions.List<int>("--callers", "Threads that call an engine each, all at once: rows a second of all, and the latency of one call. None by default.");
        var repeats = new Option<int>("--repeats") { Description = "Passes; their median counts.", DefaultValueFactory = _ => 3 };
        var precision = CommonOptions.Precision();
        foreach (var option in (Option[])[length, data, tasks, rows, single, callers, repeats, precision])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            using var opened = bases.Open(result);
            var ml = new MLContext(seed: 0);
            var count = result.GetValue(rows);
            IEnumerable<Work> works = result.GetValue(data) is { } folder
                ? result.GetRequiredValue(tasks).Select(t => new Work("task", GlueTask.Parse(t).Name, DevRows(ml, GlueTask.Parse(t), folder, count), null))
                : result.GetRequiredValue(length).Select(l => new Work("length", l, TrainedPipeline.RandomRows(opened, count, l), l));
            foreach (var work in works)
            {
                using var model = TrainedPipeline.Train(ml, opened, work.Rows, work.MaxLength, CommonOptions.Parse(result.GetRequiredValue(precision)), device);
                var configuration = new SortedDictionary<string, object>(StringComparer.Ordinal)
                {
                    [work.Kind] = work.Value,
                    ["shape"] = opened.Name,
                    ["precision"] = result.GetRequiredValue(precision),
                    ["device"] = device.type == TorchSharp.DeviceType.CUDA ? "cuda" : "cpu",
                };
                report.Add(new(Name, BenchmarkReport.Ours, configuration, Transform(ml, model, work.Rows, result.GetValue(repeats))));
                report.Add(new(Name, "row_by_row", configuration, OneByOne(ml, model, work.Rows, result.GetValue(single))));
                foreach (var threads in result.GetRequiredValue(callers))
                    report.Add(new(Name, $"engines_{threads}", configuration, AtOnce(ml, model, work.Rows, result.GetValue(single), threads)));
                if (device.type == TorchSharp.DeviceType.CPU)
                {
                    if (result.GetRequiredValue(precision) == "fp32")
                    {
                        report.Add(new(Name, "tensors", configuration, ByTensors(() => Transform(ml, model, work.Rows, result.GetValue(repeats)), model)));
                        report.Add(new(Name, OnnxRows.Variant, configuration, OnnxRows.Measure(opened, model, work.Rows, work.MaxLength, result.GetValue(repeats))));
                    }
                    model.Scoring = new() { Int8 = true };
                    report.Add(new(Name, $"{BenchmarkReport.Ours}_int8", configuration, Transform(ml, model, work.Rows, result.GetValue(repeats))));
                    report.Add(new(Name, "row_by_row_int8", configuration, OneByOne(ml, model, work.Rows, result.GetValue(single))));
                }
                if (ModelShape.Names.Contains(opened.Name))
                {
                    var setup = new StepSetup
                    {
                        Shape = opened.Name,
                        Batch = 1,
                        Length = work.MaxLength ?? ModelShape.Config(opened.Name, 0).MaxLength,
                        Precision = result.GetRequiredValue(precision),
                        Dropout = 0,
                        Device = device,
                    };
                    report.Add(new(Name, PlainRows.Variant, configuration, PlainRows.Measure(opened, work.Rows, result.GetValue(single), setup)));
                }
            }
        });
        return command;
    }

    private static SortedDictionary<string, double> Transform(MLContext ml, ITransformer model, TextPairRow[] rows, int repeats)
    {
        var view = ml.Data.LoadFromEnumerable(rows);
        Pass(ml.Data.LoadFromEnumerable(rows.Take(Math.Max(1, rows.Length / 8))));
        var cpu = Environment.CpuUsage.TotalTime;
        var seconds = Statistics.Median(Enumerable.Range(0, repeats).Select(_ => Pass(view)).ToArray());
        return new(StringComparer.Ordinal)
        {
            [BenchmarkRow.Speed] = rows.Length / seconds,
            [BenchmarkRow.Cpu] = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / (repeats * rows.Length),
            ["rows"] = rows.Length,
            ["seconds"] = seconds,
        };

        double Pass(IDataView input)
        {
            var started = Stopwatch.GetTimestamp();
            var positive = model.Transform(input).GetColumn<float>(nameof(PredictedRow.Probability)).Count(p => p > 0.5f);
            GC.KeepAlive(positive);
            return Stopwatch.GetElapsedTime(started).TotalSeconds;
        }
    }

    private static SortedDictionary<string, double> ByTensors(Func<SortedDictionary<string, double>> measure, LoraTextTransformer model)
    {
        VectorKernels.IsOff = true;
        try
        {
            model.Scoring = new();
            return measure();
        }
        finally
        {
            VectorKernels.IsOff = false;
            model.Scoring = new();
        }
    }

    private static SortedDictionary<string, double> OneByOne(MLContext ml, ITransformer model, TextPairRow[] rows, int count)
    {
        const int Warmup = 20;
        using var engine = ml.Model.CreatePredictionEngine<TextPairRow, PredictedRow>(model, new PredictionEngineOptions { OwnsTransformer = false });
        var prediction = new PredictedRow();
        for (int i = 0; i < Warmup; i++)
            engine.Predict(rows[i % rows.Length], ref prediction);
        var milliseconds = new double[count];
        var cpu = Environment.CpuUsage.TotalTime;
        for (int i = 0; i < count; i++)
        {
            var started = Stopwatch.GetTimestamp();
            engine.Predict(rows[i % rows.Length], ref prediction);
            milliseconds[i] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }
        return new(StringComparer.Ordinal)
        {
            [BenchmarkRow.Speed] = 1000 / milliseconds.Average(),
            [BenchmarkRow.Cpu] = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / count,
            ["rows"] = count,
            ["p50_ms"] = Statistics.Median(milliseconds),
            ["p99_ms"] = Statistics.Percentile(milliseconds, 0.99),
        };
    }

    /// <summary>Engines of one model, one a thread, that all call at once.</summary>
    private static SortedDictionary<string, double> AtOnce(MLContext ml, ITransformer model, TextPairRow[] rows, int count, int threads)
    {
        const int Warmup = 50; // the recordings of the sizes in which rows are gathered
        var milliseconds = new double[threads][];
        using var ready = new Barrier(threads + 1);
        var running = Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(() => Call(thread), TaskCreationOptions.LongRunning)).ToArray();
        ready.SignalAndWait();
        var (started, cpu) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        Task.WaitAll(running);
        var all = milliseconds.SelectMany(m => m).ToArray();
        return new(StringComparer.Ordinal)
        {
            [BenchmarkRow.Speed] = all.Length / Stopwatch.GetElapsedTime(started).TotalSeconds,
            [BenchmarkRow.Cpu] = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / all.Length,
            ["rows"] = all.Length,
            ["p50_ms"] = Statistics.Median(all),
            ["p99_ms"] = Statistics.Percentile(all, 0.99),
        };

        void Call(int thread)
        {
            using var engine = ml.Model.CreatePredictionEngine<TextPairRow, PredictedRow>(model, new PredictionEngineOptions { OwnsTransformer = false });
            var prediction = new PredictedRow();
            for (int i = 0; i < Warmup; i++)
                engine.Predict(rows[(i + thread) % rows.Length], ref prediction);
            ready.SignalAndWait();
            milliseconds[thread] = new double[count];
            for (int i = 0; i < count; i++)
            {
                var began = Stopwatch.GetTimestamp();
                engine.Predict(rows[(i + thread) % rows.Length], ref prediction);
                milliseconds[thread][i] = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            }
        }
    }

    /// <summary>A task's dev rows.</summary>
    public static TextPairRow[] DevRows(MLContext ml, GlueTask task, string folder, int count)
    {
        var view = task.Load(ml, folder, new() { TrainRows = 1, ValidationRows = count }).Validation;
        var first = view.GetColumn<string>("Text");
        return task.IsPair
            ? [.. first.Zip(view.GetColumn<string>("Text2"), (a, b) => new TextPairRow { Text = a, Text2 = b })]
            : [.. first.Select(a => new TextPairRow { Text = a })];
    }

    /// <param name="Kind">What the rows are told apart by: <c>length</c> or <c>task</c>.</param>
    /// <param name="Value">Which one.</param>
    /// <param name="Rows">The texts.</param>
    /// <param name="MaxLength">Tokens a row at most; null for the model's maximum.</param>
    private sealed record Work(string Kind, object Value, TextPairRow[] Rows, int? MaxLength);
}
