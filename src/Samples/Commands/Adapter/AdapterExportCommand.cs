using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter export</c>: a trained model's adapter as PEFT writes it.</summary>
internal sealed class AdapterExportCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string> _model = AdapterCommand.Model();
    private readonly Option<string> _out = new("--out") { Description = "A new folder for adapter_config.json and adapter_model.safetensors.", HelpName = "DIR", Required = true };
    private readonly Option<int?> _rank = new("--rank") { Description = "The highest rank wanted: larger ones are compressed, and the error is told. Default: what keeps everything.", HelpName = "R" };
    private readonly RunOptions _run;

    private AdapterExportCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_model);
        command.Options.Add(_out);
        command.Options.Add(_rank);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("export", "Write a model's adapter for PeftModel.from_pretrained, as plain LoRA over the untouched base.");
        var run = new AdapterExportCommand(command, terminal, verbose);
        command.SetAction((result, _) => Task.FromResult(run.Run(result)));
        return command;
    }

    private int Run(ParseResult result)
    {
        var rank = result.GetValue(_rank);
        if (rank < 1)
            throw new UsageException($"--rank must be at least 1, not {rank}.");
        OutputPlace.CheckNewFolder(result.GetRequiredValue(_out), "--out");
        var ml = _run.Start(result, _terminal);
        using var file = ModelFile.Load(ml, result.GetRequiredValue(_model));
        var model = AdapterCommand.Trained(file);
        var export = model.SavePeftAdapter(result.GetRequiredValue(_out), rank);
        var ranks = export.Layers.Select(l => l.Rank).Distinct().Order().ToArray();
        var error = export.IsExact ? "exact" : string.Create(CultureInfo.InvariantCulture, $"relative error {export.RelativeError:G3}");
        _terminal.Output.WriteLine($"{Count.Of(export.Layers.Count, "adapter")} of rank {string.Join(", ", ranks)} written to {export.Folder} ({error}).");
        AdapterCommand.SayCalibration(_terminal, model);
        if (export.NeedsQuantizedBase)
            _terminal.Output.WriteLine("The model was trained over a base in 4 bits: over the unquantised base the adapter is off by NF4's error. adapter merge has no such error.");
        if (!export.IsExact)
            foreach (var layer in export.Layers.Where(l => l.RelativeError > 0))
                _terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {layer.Module}: rank {layer.Rank}, relative error {layer.RelativeError:G3}"));
        return ExitCodes.Success;
    }
}
