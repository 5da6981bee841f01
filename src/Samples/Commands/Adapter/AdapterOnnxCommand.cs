using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter onnx</c>: a trained model as an ONNX file, or a pipeline that ONNX Runtime scores.</summary>
internal sealed class AdapterOnnxCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _model = AdapterCommand.Model();
    private readonly Option<string> _out = new("--out") { Description = "Where to write the ONNX file; with the ending .mlnet the whole pipeline, scored by ONNX Runtime.", HelpName = "FILE", Required = true };
    private readonly Option<bool> _int8 = new("--int8") { Description = "Multiply in 8-bit integers: a smaller file, faster on a CPU, and a little less exact." };
    private readonly RunOptions _run;

    private AdapterOnnxCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_model);
        command.Options.Add(_out);
        command.Options.Add(_int8);
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
        var trained = AdapterCommand.Trained(file);
        bool isPipeline = Path.GetExtension(path).Equals(".mlnet", StringComparison.OrdinalIgnoreCase);
        if (isPipeline)
        {
            file.UseOnnx(result.GetValue(_int8));
            file.Save(ml, path);
        }
        else
        {
            trained.SaveOnnxModel(path, result.GetValue(_int8));
        }
        _terminal.Output.WriteLine($"{(isPipeline ? "Pipeline for ONNX Runtime" : "ONNX model")} written to {Path.GetFullPath(path)} ({new FileInfo(path).Length / 1048576.0:0.0} MB).");
        return ExitCodes.Success;
    }
}
