using System.CommandLine;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Output;
using Microsoft.ML.LoraInit.Samples.Pages.Run;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>evaluate</c>: the metrics of a saved model on a file.</summary>
internal sealed class EvaluateCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _model = new("--model") { Description = "A model saved by train.", HelpName = "FILE", Required = true };
    private readonly Option<string> _file = new("--data") { Description = "Labelled rows: TSV, CSV, JSONL or Parquet; - for standard input.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _json = new("--json") { Description = "Write a report to this file.", HelpName = "FILE" };
    private readonly PageOptions _page;
    private readonly EngineOptions _engine;
    private readonly DataOptions _data;
    private readonly RunOptions _run;

    private EvaluateCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_model);
        command.Options.Add(_file);
        _data = new(command, labelled: true, asksKind: false);
        command.Options.Add(_json);
        _page = new(command);
        _engine = new(command);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("evaluate", "Report the metrics of a saved model on labelled texts.");
        var run = new EvaluateCommand(command, terminal, verbose);
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var jsonPath = result.GetValue(_json);
        if (jsonPath is not null)
            OutputPlace.Check(jsonPath, "--json");
        _page.Check(result);
        var ml = _run.Start(result, _terminal);
        using var file = _engine.Load(ml, result.GetRequiredValue(_model), result);
        var layout = _data.Read(result, file.Kind);
        if (file.Classes.Count > 0)
            layout = layout with { Labels = file.Classes, LabelDelimiter = file.LabelDelimiter };
        (var opened, layout) = _data.Open(result, result.GetRequiredValue(_file), layout, _terminal, file.IsPair, _terminal.Output);
        using var source = opened;
        file.Check(layout.Text2 is not null, "--text2-column or a --task of pairs");
        var rows = source.ReadAll(layout, _terminal);
        var data = DataViews.Create(ml, rows.Select(r => { cancellation.ThrowIfCancellationRequested(); return r; }), file.Kind, file.IsPair, file.LabelDelimiter);
        var scored = Metrics.Cached(ml, file.Model.Transform(data));
        var metrics = Metrics.Evaluate(ml, scored, file.Kind);
        var report = RunReport.Create(layout.Name, file.Trained, metrics);
        if (jsonPath is not null)
            report.Write(jsonPath);
        _terminal.Output.WriteLine($"{Count.Of(rows.Count, "row")}.");
        var cut = new CutRows(file.Tokenizer);
        foreach (var row in rows)
            cut.Pass(row);
        cut.Report(_terminal.Output);
        Summary.Write(_terminal, report, null);
        _page.Write(result, _terminal, file.Trained, () => new()
        {
            Title = $"{Path.GetFileName(result.GetRequiredValue(_file))} by {Path.GetFileName(result.GetRequiredValue(_model))}",
            Lead = $"{rows.Count:N0} rows, {layout.Name}.",
            Kind = file.Kind,
            Classes = file.Kind == TaskKind.Binary ? ["false", "true"] : file.Classes,
            Report = report,
            History = file.Trained?.History,
            Rows = JudgedRow.Read(scored, file.Kind, file.Classes, rows),
            Reliability = metrics.Calibration is { } calibration ? (calibration.Bins, "Of these rows.") : null,
            Settings = [("File", result.GetRequiredValue(_file)), ("Model", result.GetRequiredValue(_model)), .. file.Trained is { } trained ? RunSettings.Of(trained) : []],
        });
        return ExitCodes.Success;
    }
}
