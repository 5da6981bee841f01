using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter merge</c>: a trained model as a plain RoBERTa.</summary>
internal sealed class AdapterMergeCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _model = AdapterCommand.Model();
    private readonly Option<string> _out = new("--out") { Description = "A new folder for the merged model.", HelpName = "DIR", Required = true };
    private readonly RunOptions _run;

    private AdapterMergeCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_model);
        command.Options.Add(_out);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("merge", "Write a model as a plain RoBERTa in the Hugging Face layout, adapters merged.");
        var run = new AdapterMergeCommand(command, terminal, verbose);
        command.SetAction((result, _) => Task.FromResult(run.Run(result)));
        return command;
    }

    private int Run(ParseResult result)
    {
        var folder = result.GetRequiredValue(_out);
        OutputPlace.CheckNewFolder(folder, "--out");
        var ml = _run.Start(result, _terminal);
        using var file = ModelFile.Load(ml, result.GetRequiredValue(_model));
        var model = AdapterCommand.Trained(file);
        model.SaveMergedModel(folder);
        _terminal.Output.WriteLine($"Merged model written to {Path.GetFullPath(folder)}.");
        AdapterCommand.SayCalibration(_terminal, model);
        return ExitCodes.Success;
    }
}
