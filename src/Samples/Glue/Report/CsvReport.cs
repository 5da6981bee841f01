using System.Globalization;
using System.Text;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The report for other programs (RFC 4180): fractions, not percent; an empty field where nothing is known.</summary>
internal static class CsvReport
{
    /// <summary>One line a strategy and task.</summary>
    public static string Cells(ReportModel model) => Lines(
        [
            "base_model", "strategy", "task", "metric", "learning_rate", "runs", "mean", "deviation",
            "difference", "difference_low", "difference_high", "pairs", "p", "p_holm", "preparation_s", "training_s", "evaluation_s",
            "rows_per_second", "process_bytes", "device_bytes", "trainable_parameters", "factorization_error",
        ],
        from section in model.Sections
        from row in section.Rows
        from task in section.Tasks
        let cell = row.Cells.GetValueOrDefault(task)
        where cell is not null
        select new object?[]
        {
            section.BaseModel, row.Label, task, section.Metrics.GetValueOrDefault(task), cell.Rate, cell.Spread.Count, cell.Spread.Mean, cell.Spread.Deviation,
            cell.Difference?.Mean, cell.Difference?.Low, cell.Difference?.High, cell.Difference?.Pairs, cell.Difference?.P, cell.Difference?.AdjustedP,
            cell.Costs.Preparation, cell.Costs.Training, cell.Costs.Evaluation,
            cell.Costs.SamplesPerSecond, cell.Costs.ProcessBytes, cell.Costs.DeviceBytes, cell.Costs.Trainable, cell.FactorizationError,
        });

    /// <summary>One line a run.</summary>
    public static string Runs(IEnumerable<RunRecord> records) => Lines(
        [
            "run", "base_model", "task", "method", "initialization", "rank", "alpha", "learning_rate", "seed", "epochs", "batch_size",
            "status", "exit_reason", "metric_name", "metric", "best_epoch", "preparation_s", "training_s", "evaluation_s", "process_bytes", "device_bytes", "factorization_error", "train_rows", "start",
        ],
        records.OrderBy(r => r.Config.Name(), StringComparer.Ordinal).Select(r => new object?[]
        {
            r.Config.Name(), r.Config.BaseModel, r.Config.Task, r.Config.Method, r.Config.Initialization, r.Config.Rank, r.Config.Alpha, r.Config.LearningRate,
            r.Config.Seed, r.Config.Epochs, r.Config.BatchSize, r.Status == RunStatus.Finished ? "finished" : "failed", r.ExitReason, r.MetricName, r.Metric,
            r.BestEpoch, r.Timings.Preparation, r.Timings.Training, r.Timings.Evaluation, r.Memory.Process, r.Memory.Device, r.FactorizationError, r.Config.TrainRows, r.Config.Start,
        }));

    private static string Lines(string[] headers, IEnumerable<object?[]> rows)
    {
        var text = new StringBuilder();
        text.AppendJoin(',', headers).Append("\r\n");
        foreach (var row in rows)
            text.AppendJoin(',', row.Select(Field)).Append("\r\n");
        return text.ToString();
    }

    private static string Field(object? value)
    {
        var text = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        return text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }
}
