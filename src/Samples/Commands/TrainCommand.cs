using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Output;
using Microsoft.ML.LoraInit.Samples.Pages.Run;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>train</c>: fine-tunes on a file, saves the model, reports the metrics of a validation file.</summary>
internal sealed class TrainCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _train = new("--train") { Description = "Training rows: TSV, CSV, JSONL or Parquet, by the ending; - for standard input.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _validation = new("--validation") { Description = "Rows to choose the best epoch by and to report the metrics of.", HelpName = "FILE" };
    private readonly Option<string> _model = new("--model") { Description = "Where to save the model.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _json = new("--json") { Description = "Write a report to this file.", HelpName = "FILE" };
    private readonly Option<string?> _config = ConfigFile.Create();
    private readonly Option<string?> _board = new("--tensorboard") { Description = "Write TensorBoard event files to this folder.", HelpName = "DIR" };
    private readonly Option<string?> _metric = ValidationMetricOption.Create();
    private readonly PageOptions _page;
    private readonly DataOptions _data;
    private readonly TrainingOptions _training;
    private readonly RunOptions _run;

    private TrainCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_config);
        command.Options.Add(_train);
        command.Options.Add(_validation);
        _data = new(command, labelled: true, asksKind: true);
        command.Options.Add(_model);
        command.Options.Add(_json);
        command.Options.Add(_board);
        _page = new(command);
        _training = new(command);
        command.Options.Add(_metric);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("train", "Fine-tune on labelled texts and save the model.");
        var run = new TrainCommand(command, terminal, verbose);
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var layout = _data.Read(result);
        var modelPath = result.GetRequiredValue(_model);
        var jsonPath = result.GetValue(_json);
        double aside = _training.SetAside(result);
        bool split = aside > 0;
        if (result.GetValue(_metric) is { } metric && result.GetValue(_validation) is null && !split)
            throw new UsageException($"--validation-metric {metric} has no effect without --validation or --validation-fraction.");
        OutputPlace.Check(modelPath, "--model");
        if (jsonPath is not null)
            OutputPlace.Check(jsonPath, "--json");
        if (result.GetValue(_board) is { } boardFolder)
            OutputPlace.CheckFolder(boardFolder, "--tensorboard");
        _training.CheckPlaces(result);
        bool page = _page.Check(result);

        var ml = _run.Start(result, _terminal, _training.Seed(result));
        var files = new List<RowsFile>();
        var trainRows = Read(result, "train", result.GetRequiredValue(_train), ref layout, files, _terminal.Output);
        bool pair = layout.Text2 is not null;
        var classes = Pipelines.Classes(layout, trainRows);
        if (layout.Kind == TaskKind.MultiLabel && classes.Count == 0)
            throw new UsageException($"--train: no row of {result.GetValue(_train)} has a label in the column {layout.Label}.");
        if (layout.Kind == TaskKind.Multiclass && classes.Count == 1)
            throw new UsageException($"--train: every row of {result.GetValue(_train)} has the label '{classes[0]}' in the column {layout.Label}; there is nothing to tell apart.");
        var known = classes.Count > 0 ? layout with { Labels = classes } : layout;
        var validationRows = result.GetValue(_validation) is { } path ? Read(result, "validation", path, ref known, files) : null;
        var train = DataViews.Create(ml, trainRows, layout.Kind, pair, layout.LabelDelimiter, layout.Weight is not null);
        var validation = validationRows is null ? null : DataViews.Create(ml, validationRows, layout.Kind, pair, layout.LabelDelimiter, layout.Weight is not null);
        var named = classes.Count == 0 ? "" : $", {Count.Of(classes.Count, layout.Kind == TaskKind.MultiLabel ? "label" : "class")}";
        var validated = split ? string.Create(CultureInfo.InvariantCulture, $"{100 * aside:0.#} % of them set aside to validate on") : Count.Of(validationRows?.Count ?? 0, "validation row");
        _terminal.Output.WriteLine($"{Count.Of(trainRows.Count, "training row")}, {validated}{named}.");

        foreach (var note in LabelNotes.Of(trainRows, classes, layout.Kind))
            _terminal.Error.WriteLine($"lorainit: {note}");
        if (result.GetValue(_config) is { } config)
            foreach (var change in RunDescription.Changes(config, files))
                _terminal.Error.WriteLine($"lorainit: {change}");

        LoraTrainerOptions? used = null;
        StepRecorder? recorder = null;
        var model = ProgressDisplay.Show(_terminal, progress =>
        {
            using var board = result.GetValue(_board) is { } folder ? new TensorBoardProgress(folder, progress) : null;
            return Pipelines.Fit(ml, layout.Kind, classes, pair, train, validation, options =>
            {
                used = _training.Apply(result, options);
                used.Progress = page ? recorder = new(board ?? progress) : board ?? progress;
                used.CancellationToken = cancellation;
                used.ExampleWeightColumnName = layout.Weight is null ? null : DataViews.Weight;
                if (validation is not null || split)
                    ValidationMetricOption.Apply(result.GetValue(_metric), layout, used);
                board?.AddHyperParameters(Settings(result, used).Select(s => KeyValuePair.Create(s.Key, ConfigSettings.Value(s.Value!))));
            });
        });
        using var owned = model as IDisposable;
        ModelFile.Save(ml, model, train.Schema, modelPath);
        var history = ModelFile.Find(model)!.History;
        if (history.Cancelled)
        {
            _terminal.Fail($"cancelled; the model of epoch {history.BestEpoch} is in {modelPath}.");
            return ExitCodes.Cancelled;
        }

        // Of rows set aside, the trainer alone knows which they were.
        var scored = validation is null ? null : Metrics.Cached(ml, model.Transform(validation));
        var metrics = scored is not null ? Metrics.Evaluate(ml, scored, layout.Kind) : new Evaluation(history.Epochs.FirstOrDefault(e => e.Epoch == history.BestEpoch)?.Metrics);
        var report = RunReport.Create(layout.Name, used!, history, metrics) with
        {
            Run = RunDescription.Create(Settings(result, used!), used!, ModelFile.Find(model)!, files),
        };
        if (jsonPath is not null)
            report.Write(jsonPath);
        var step = ModelFile.Find(model)!;
        CutRows.Say(_terminal.Output, history.CutRows, trainRows.Count, RobertaTextTokenizer.Of(step));
        Summary.Write(_terminal, report, modelPath);
        _page.Write(result, _terminal, step, () => new()
        {
            Title = $"{Path.GetFileName(result.GetRequiredValue(_train))}: {report.Init} on {step.BaseModelId}",
            Lead = $"{trainRows.Count:N0} training rows, {(split ? validated : $"{validationRows?.Count ?? 0:N0} validation rows")}{named}.",
            Kind = layout.Kind,
            Classes = layout.Kind == TaskKind.Binary ? ["false", "true"] : classes,
            Report = report,
            History = history,
            Losses = recorder!.Losses,
            Rows = scored is null ? [] : JudgedRow.Read(scored, layout.Kind, classes, validationRows!),
            Reliability = history.Calibration is { } fitted ? (fitted.Bins, $"Of {fitted.Rows:N0} validation rows, each half calibrated by what the other half says.")
                : metrics.Calibration is { } calibration ? (calibration.Bins, "Of the validation rows.") : null,
            Settings = [.. RunSettings.Of(used!), .. RunSettings.Calibration(step), ("SHA-256 of the base's weights", step.BaseModelSha256)],
        });
        return ExitCodes.Success;
    }

    // Every setting counts, typed or not: another version may have other defaults.
    private JsonObject Settings(ParseResult result, LoraTrainerOptions used) =>
        ConfigSettings.Of(result, _training.NotOf(used), new Dictionary<string, string> { ["--threads"] = $"{torch.get_num_threads()}" });

    private IReadOnlyList<TextFileRow> Read(ParseResult result, string role, string path, ref TextLayout layout, List<RowsFile> files, TextWriter? say = null)
    {
        (var opened, layout) = _data.Open(result, path, layout, _terminal, say: say);
        using var source = opened;
        var rows = source.ReadAll(layout, _terminal);
        files.Add(new(role, path, source.Sha256(), rows.Count));
        return rows;
    }
}
