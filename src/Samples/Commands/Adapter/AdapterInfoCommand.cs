using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Inspection;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter info</c>: what an adapter folder or a trained model contains.</summary>
internal sealed class AdapterInfoCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string?> _adapter = new("--adapter") { Description = "A folder with a PEFT adapter.", HelpName = "DIR" };
    private readonly Option<string?> _model = new("--model") { Description = "A model saved by train.", HelpName = "FILE" };
    private readonly RunOptions _run;

    private AdapterInfoCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        command.Options.Add(_adapter);
        command.Options.Add(_model);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("info", "Tell what an adapter folder or a model contains.");
        var run = new AdapterInfoCommand(command, terminal, verbose);
        command.SetAction((result, _) => Task.FromResult(run.Run(result)));
        return command;
    }

    private int Run(ParseResult result)
    {
        var (adapter, model) = (result.GetValue(_adapter), result.GetValue(_model));
        if ((adapter is null) == (model is null))
            throw new UsageException("give either --adapter or --model.");
        if (adapter is not null)
            Write(PeftAdapter.Inspect(adapter));
        else
            WriteModel(result, model!);
        return ExitCodes.Success;
    }

    private void Write(PeftAdapterInfo info)
    {
        Line("base model", info.BaseModel ?? "not stored");
        Line("kind", info.Kind switch { "ADALORA" => "AdaLoRA", "LOHA" => "LoHa", "LOKR" => "LoKr", _ => info.UseDora ? "DoRA" : "LoRA" });
        Line("rank", info.Rank);
        Line("alpha", string.Create(CultureInfo.InvariantCulture, $"{info.Alpha}{(info.RankStabilized ? " (rank-stabilised)" : "")}"));
        Line("target modules", info.TargetModules);
        if (info.LayersToTransform is { } layers)
            Line("layers", string.Join(", ", layers));
        Line("head", info.Outputs == 0 ? "none" : $"{info.Outputs} outputs");
        foreach (var (module, rank) in info.Modules)
            Line("adapter", $"{module}, rank {rank}");
    }

    private void WriteModel(ParseResult result, string path)
    {
        var ml = _run.Start(result, _terminal);
        using var file = ModelFile.Load(ml, path);
        var trained = AdapterCommand.Trained(file);
        Line("base model", $"{trained.BaseModelId} (SHA-256 {trained.BaseModelSha256})");
        Line("task", file.Kind.ToString().ToLowerInvariant());
        if (file.Classes.Count > 0)
            Line("classes", string.Join(", ", file.Classes));
        Line("method", trained.Method.Name);
        foreach (var source in (trained.Method as AdapterFusionMethod)?.Sources ?? [])
            Line("source", $"{source.Name}, bottlenecks of size {source.Size}{(source.Skip > 0 ? $" from layer {source.Skip} on" : "")}, SHA-256 {source.Sha256}");
        Line("initialisation", trained.Initialization is { } start ? Measure.Strategy(start.ToJson()) : "none");
        foreach (var adapter in trained.FineTuning["adapters"]!.AsArray())
            Line("adapter", $"{adapter!["module"]}, {adapter["kind"]} of rank {adapter["rank"]}, alpha {adapter["alpha"]}, base {adapter["correction"]}");
    }

    private void Line(string name, object value) => _terminal.Output.WriteLine($"{name + ":",-16}{value}");
}
