using System.CommandLine;
using System.Text;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Inspection;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>inspect</c>: what adapters start from, without training them; as a table, JSON and a page.</summary>
internal sealed class InspectCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string?> _against = new("--against") { Description = "A second initialisation to show beside it, in all measures.", HelpName = "NAME[:SETTING=VALUE,…]" };
    private readonly Option<string?> _train = new("--train") { Description = "Training rows (TSV, CSV, JSONL, Parquet; - for standard input): gives gradients, and what initialisations that look at data need.", HelpName = "FILE" };
    private readonly Option<int> _rows = new("--probe-rows") { Description = "Rows that outputs and gradients are taken on.", HelpName = "N", DefaultValueFactory = _ => 64 };
    private readonly Option<bool> _hessian = new("--hessian") { Description = "Also estimate the largest eigenvalue of the loss's Hessian by the adapters' factors; needs --train." };
    private readonly Option<string?> _json = new("--json") { Description = "Write all figures to this file.", HelpName = "FILE" };
    private readonly Option<string?> _html = new("--html") { Description = "Write a page with plots to this file.", HelpName = "FILE" };
    private readonly DataOptions _data;
    private readonly TrainingOptions _training;
    private readonly RunOptions _run;

    private InspectCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_against);
        command.Options.Add(_train);
        _data = new(command, labelled: true, asksKind: true);
        command.Options.Add(_rows);
        command.Options.Add(_hessian);
        command.Options.Add(_json);
        command.Options.Add(_html);
        _training = new(command, startOnly: true);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("inspect", "Show what adapters start from, without training: product and subspaces against the weights, gradients, outputs, time, memory. Takes the options of train.");
        var run = new InspectCommand(command, terminal, verbose);
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var (json, html) = (result.GetValue(_json), result.GetValue(_html));
        if (json is not null)
            OutputPlace.Check(json, "--json");
        if (html is not null)
            OutputPlace.Check(html, "--html");
        var against = result.GetValue(_against) is { } name ? Strategy(name) : null;

        var ml = _run.Start(result, _terminal, _training.Seed(result));
        var (options, data) = Data(result, ml);
        _training.Apply(result, options);
        options.CancellationToken = cancellation;
        var report = Inspect(against);
        InspectionReport? other = null;
        if (against is not null)
        {
            var asked = options.Initialization;
            options.Initialization = against;
            other = Inspect(asked);
        }
        InspectionTable.Write(_terminal, report, other);
        if (json is not null)
            AtomicFile.Write(json, stream => stream.Write(Encoding.UTF8.GetBytes(InspectionJson.Write(report, other))));
        if (html is not null)
            AtomicFile.Write(html, stream => stream.Write(Encoding.UTF8.GetBytes(InspectionPage.Write(report, other))));
        return ExitCodes.Success;

        InspectionReport Inspect(LoraInitialization? with) => ProgressDisplay.Show(_terminal, progress =>
        {
            options.Progress = progress;
            return InitializationInspector.Inspect(new() { Training = options, Against = with, Data = data, ProbeRows = result.GetValue(_rows), LargestEigenvalue = result.GetValue(_hessian) });
        });
    }

    private static LoraInitialization Strategy(string text)
    {
        try
        {
            return (LoraInitialization)OptionValue.Of(typeof(LoraInitialization)).Parse(text);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            throw new UsageException($"--against: {ErrorText.Plain(e.Message)}", e);
        }
    }

    /// <summary>The options of the trainer that the file's labels are for, and its rows; a classifier's and null without a file.</summary>
    private (LoraTrainerOptions Options, IDataView? Data) Data(ParseResult result, MLContext ml)
    {
        if (result.GetValue(_train) is not { } path)
            return (new LoraTextClassificationTrainer.Options(), null);
        var layout = _data.Read(result);
        (var opened, layout) = _data.Open(result, path, layout, _terminal, say: _terminal.Output);
        using var source = opened;
        var rows = source.ReadAll(layout, _terminal);
        var view = DataViews.Create(ml, rows, layout.Kind, layout.Text2 is not null, layout.LabelDelimiter, layout.Weight is not null);
        LoraTrainerOptions options = layout.Kind switch
        {
            TaskKind.Binary => new LoraBinaryTextClassificationTrainer.Options(),
            TaskKind.MultiLabel => new LoraMultiLabelTextClassificationTrainer.Options(),
            TaskKind.Regression => new LoraTextRegressionTrainer.Options(),
            _ => new LoraTextClassificationTrainer.Options(),
        };
        options.TextColumnName = DataViews.Text;
        options.Text2ColumnName = layout.Text2 is null ? null : DataViews.Text2;
        options.LabelColumnName = DataViews.Label;
        options.ExampleWeightColumnName = layout.Weight is null ? null : DataViews.Weight;
        var classes = Pipelines.Classes(layout, rows);
        return (options, layout.Kind switch
        {
            TaskKind.Multiclass => Pipelines.LabelKeys(ml, classes).Fit(view).Transform(view),
            TaskKind.MultiLabel => Pipelines.LabelVector(ml, classes, layout.LabelDelimiter).Fit(view).Transform(view),
            _ => view,
        });
    }
}
