using System.CommandLine;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter import</c>: a PEFT adapter as a model that predict and evaluate take.</summary>
internal sealed class AdapterImportCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _adapter = new("--adapter") { Description = "A folder with a PEFT adapter for sequence classification.", HelpName = "DIR", Required = true };
    private readonly Option<string?> _base = new("--base-model") { Description = "The base that it was trained on: mini, a folder, or a hub id. Default: what the adapter names.", HelpName = "ID|DIR" };
    private readonly Option<TaskKind?> _kind = new("--kind") { Description = "What the adapter was trained for.", HelpName = "multiclass|binary|regression", Required = true };
    private readonly Option<string?> _labels = new("--labels") { Description = "The classes' names in the order of the logits (multiclass only).", HelpName = "A,B,C" };
    private readonly Option<bool> _pair = new("--pair") { Description = "The model reads pairs of texts." };
    private readonly Option<string> _model = new("--model") { Description = "Where to save the model.", HelpName = "FILE", Required = true };
    private readonly RunOptions _run;

    private AdapterImportCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        _kind.AcceptOnlyFromAmong("multiclass", "binary", "regression");
        Option[] options = [_adapter, _base, _kind, _labels, _pair, _model];
        foreach (var option in options)
            command.Options.Add(option);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("import", "Make a model of an adapter that PEFT saved.");
        var run = new AdapterImportCommand(command, terminal, verbose);
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var kind = result.GetValue(_kind)!.Value;
        var labels = result.GetValue(_labels)?.Split(',', StringSplitOptions.TrimEntries);
        if ((kind == TaskKind.Multiclass) != (labels is not null))
            throw new UsageException(labels is null ? "--kind multiclass needs --labels: the classes' names in the order of the logits." : "--labels goes with --kind multiclass alone.");
        var path = result.GetRequiredValue(_model);
        OutputPlace.Check(path, "--model");

        var ml = _run.Start(result, _terminal);
        bool pair = result.GetValue(_pair);
        using var step = PeftAdapter.Load(result.GetRequiredValue(_adapter), new()
        {
            Task = Enum.Parse<PeftTask>(kind.ToString()),
            BaseModel = result.GetValue(_base) is { } text ? RobertaCheckpoint.Parse(text) : null,
            Labels = labels,
            TextColumnName = DataViews.Text,
            Text2ColumnName = pair ? DataViews.Text2 : null,
            CancellationToken = cancellation,
        });
        var rows = DataViews.Create(ml, [], kind, pair);
        ModelFile.Save(ml, Pipelines.Around(ml, step, kind, labels ?? [], rows), rows.Schema, path);
        _terminal.Output.WriteLine($"Model saved to {Path.GetFullPath(path)} ({new FileInfo(path).Length / 1048576.0:0.0} MB).");
        return ExitCodes.Success;
    }
}
