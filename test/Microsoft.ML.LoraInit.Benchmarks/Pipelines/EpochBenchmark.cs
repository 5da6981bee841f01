using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Benchmarks.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary><c>epoch</c>: a GLUE task's training rows through <c>Fit</c>, from text to trained model.</summary>
internal static class EpochBenchmark
{
    private const int WarmupRows = 128;

    public static CliCommand Create()
    {
        var command = new CliCommand("epoch", "Fit on a GLUE task from its files: tokenisation, training, the merged model. Ratios are of tokenisation and training; what loading the base and merging take beside is in fit_ms.");
        var bases = new BaseOptions(command);
        var data = new Option<string>("--data") { Description = "Folder with the tasks' folders.", HelpName = "DIR", Required = true };
        var tasks = new Option<string[]>("--task") { Description = "GLUE tasks.", DefaultValueFactory = _ => ["mrpc"], AllowMultipleArgumentsPerToken = true };
        var batch = new Option<int>("--batch") { DefaultValueFactory = _ => 32 };
        var epochs = new Option<int>("--epochs") { DefaultValueFactory = _ => 1 };
        var repeats = new Option<int>("--repeats") { Description = "Fits; their median counts.", DefaultValueFactory = _ => 3 };
        var rows = new Option<int?>("--rows") { Description = "The first so many rows. Default: all." };
        var export = new Option<string?>("--export") { Description = "Measure nothing: write the first task's token ids, labels and first epoch's batches to this file, for eng/benchmarks/roberta_cpu.py.", HelpName = "FILE" };
        var precision = CommonOptions.Precision();
        foreach (var option in (Option[])[data, tasks, batch, epochs, repeats, rows, export, precision])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            using var opened = bases.Open(result);
            foreach (var name in result.GetRequiredValue(tasks))
            {
                var run = new Run(opened, GlueTask.Parse(name), result.GetRequiredValue(data), device, result.GetRequiredValue(precision), result.GetValue(batch), result.GetValue(epochs), result.GetValue(rows));
                if (result.GetValue(export) is { } path)
                {
                    EpochExport.Write(path, opened, run.Task, run.Data, run.Rows, run.Batch);
                    return;
                }
                report.Add(run.Measure(result.GetValue(repeats)));
            }
        });
        return command;
    }

    private sealed record Run(OpenedBase Base, GlueTask Task, string Data, Device Device, string Precision, int Batch, int Epochs, int? Rows)
    {
        private readonly MLContext _ml = new(seed: 0);

        public BenchmarkRow Measure(int repeats)
        {
            using var memory = new PeakMemory(Device);
            Fit(Task.Load(_ml, Data, new() { TrainRows = WarmupRows }).Train);
            var rows = Task.Load(_ml, Data, new() { TrainRows = Rows });
            var times = Enumerable.Range(0, repeats).Select(_ => Fit(rows.Train)).ToArray();
            var epoch = Statistics.Median(times.Select(t => t.Total - t.Of(TrainingPhase.LoadingModel) - t.Of(TrainingPhase.Finishing)));
            var configuration = new SortedDictionary<string, object>(StringComparer.Ordinal)
            {
                ["task"] = Task.Name,
                ["shape"] = Base.Name,
                ["batch"] = Batch,
                ["precision"] = Precision,
                ["epochs"] = Epochs,
                ["device"] = Device.type == TorchSharp.DeviceType.CUDA ? "cuda" : "cpu",
            };
            if (Base.Dropout is { } dropout)
                configuration["dropout"] = dropout;
            var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = 1000.0 * rows.TrainRows * Epochs / epoch,
                [BenchmarkRow.Cpu] = Statistics.Median(times.Select(t => t.CpuOf(TrainingPhase.Tokenizing) + t.CpuOf(TrainingPhase.Initializing) + t.CpuOf(TrainingPhase.Training))) / (rows.TrainRows * Epochs),
                ["rows"] = rows.TrainRows,
                ["epoch_ms"] = epoch,
                ["fit_ms"] = Statistics.Median(times.Select(t => t.Total)),
                ["loading_ms"] = Statistics.Median(times.Select(t => t.Of(TrainingPhase.LoadingModel))),
                ["tokenizing_ms"] = Statistics.Median(times.Select(t => t.Of(TrainingPhase.Tokenizing))),
                ["training_ms"] = Statistics.Median(times.Select(t => t.Of(TrainingPhase.Training) + t.Of(TrainingPhase.Initializing))),
                ["finishing_ms"] = Statistics.Median(times.Select(t => t.Of(TrainingPhase.Finishing))),
            };
            if (memory.Megabytes is { } peak)
                metrics[BenchmarkRow.Peak] = peak;
            return new("epoch", BenchmarkReport.Ours, configuration, metrics);
        }

        private PhaseTimes Fit(IDataView rows)
        {
            var times = new PhaseTimes();
            if (Task.IsRegression)
            {
                var options = new LoraTextRegressionTrainer.Options();
                Set(options, times);
                using var model = _ml.Regression.Trainers.LoraTextRegression(options).Fit(rows);
            }
            else
            {
                var options = new LoraTextClassificationTrainer.Options();
                Set(options, times);
                using var model = _ml.MulticlassClassification.Trainers.LoraTextClassification(options).Fit(rows);
            }
            times.Close();
            return times;
        }

        private void Set(LoraTrainerOptions options, PhaseTimes times)
        {
            options.Text2ColumnName = Task.IsPair ? "Text2" : null;
            options.BaseModel = Base.Checkpoint;
            options.BatchSize = Batch;
            options.MaxEpochs = Epochs;
            options.Precision = CommonOptions.Parse(Precision);
            options.Device = Device;
            options.Progress = times;
        }
    }
}
