using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter onnx</c>: a trained model as an ONNX file.</summary>
internal sealed class AdapterOnnxCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _model = AdapterCommand.Model();
    private readonly Option<string> _out = new("--out") { Description = "Where to write the ONNX file.", HelpName = "FILE", Required = true };
    private readonly RunOptions _run;

    private AdapterOnnxCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_model);
        command.Options.Add(_out);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("onnx", "Write a model as an ONNX file, adapters merged: token ids in, logits and probabilities out.");
        var run = new AdapterOnnxCommand(command, terminal, verbose);
        command.SetAction((result, _) => Task.FromResult(run.Run(result)));
        return command;
    }

    private int Run(ParseResult result)
    {
        var path = result.GetRequiredValue(_out);
        OutputPlace.Check(path, "--out");
        var ml = _run.Start(result, _terminal);
        using var file = ModelFile.Load(ml, result.GetRequiredValue(_model));
        AdapterCommand.Trained(file).SaveOnnxModel(path);
        _terminal.Output.WriteLine($"ONNX model written to {Path.GetFullPath(path)} ({new FileInfo(path).Length / 1048576.0:0.0} MB).");
        return ExitCodes.Success;
    }
}
