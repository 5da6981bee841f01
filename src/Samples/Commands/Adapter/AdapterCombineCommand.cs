using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands.Adapter;

/// <summary><c>adapter combine</c>: one model of several of the same task.</summary>
internal sealed class AdapterCombineCommand
{
    private readonly Terminal _terminal;
    private readonly Option<string[]> _models = new("--model") { Description = "A model saved by train; give two or more.", HelpName = "FILE", Required = true, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true };
    private readonly Option<string?> _weights = new("--weights") { Description = "A weight for each model, in their order. Default: equal ones that add up to 1.", HelpName = "W,W,…" };
    private readonly Option<string> _method = new("--method") { Description = "linear, cat, svd[:rank=R], ties[:density=D,sign=total|frequency] or ties-svd[:density=D,rank=R].", HelpName = "METHOD", DefaultValueFactory = _ => "svd" };
    private readonly Option<string?> _head = new("--head-from") { Description = "The model whose head to take. Default: the weighted mean of the heads.", HelpName = "FILE" };
    private readonly Option<string> _out = new("--out") { Description = "Where to save the combined model.", HelpName = "FILE", Required = true };
    private readonly RunOptions _run;

    private AdapterCombineCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        Option[] options = [_models, _weights, _method, _head, _out];
        foreach (var option in options)
            command.Options.Add(option);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("combine", "Make one model of several of the same task and base, by a weighted merge of their adapters.");
        var run = new AdapterCombineCommand(command, terminal, verbose);
        command.SetAction((result, _) => Task.FromResult(run.Run(result)));
        return command;
    }

    private int Run(ParseResult result)
    {
        var paths = result.GetRequiredValue(_models);
        if (paths.Length < 2)
            throw new UsageException("--model: give two or more models to combine.");
        if (paths.GroupBy(p => p, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UsageException($"--model: {twice.Key} is given {twice.Count()} times; name each model once, and say by --weights how much it counts.");
        var weights = Weights(result.GetValue(_weights), paths.Length);
        var method = AdapterCombination.Parse(result.GetRequiredValue(_method));
        var path = result.GetRequiredValue(_out);
        OutputPlace.Check(path, "--out");
        if (result.GetValue(_head) is { } head && !paths.Contains(head))
            throw new UsageException($"--head-from: {head} is none of the models given.");
        if (weights.Sum() == 0 && result.GetValue(_head) is null)
            throw new UsageException("--weights add up to 0, so that the heads have no weighted mean; say by --head-from whose head to take.");

        var ml = _run.Start(result, _terminal);
        using var first = ModelFile.Load(ml, paths[0]);
        using var library = AdapterLibrary.Create(AdapterCommand.Trained(first));
        library.Add(paths[0], first.Model);
        foreach (var other in paths.Skip(1))
            library.Add(other, other);
        const string Combined = "combined";
        var info = library.Combine(Combined, method, [.. paths.Zip(weights)], result.GetValue(_head), replace: true);
        using var step = library.CreateModel(Combined);
        var rows = DataViews.Create(ml, [], first.Kind, first.IsPair, first.LabelDelimiter);
        ModelFile.Save(ml, Pipelines.Around(ml, step, first.Kind, first.Classes, rows), rows.Schema, path);
        _terminal.Output.WriteLine($"{paths.Length} models combined by {method} (rank {string.Join(", ", info.Modules.Select(m => m.Rank).Distinct().Order())}), saved to {Path.GetFullPath(path)} ({new FileInfo(path).Length / 1048576.0:0.0} MB).");
        return ExitCodes.Success;
    }

    private static double[] Weights(string? text, int count)
    {
        if (text is null)
            return [.. Enumerable.Repeat(1.0 / count, count)];
        var parts = text.Split(',', StringSplitOptions.TrimEntries);
        if (parts.Length != count)
            throw new UsageException($"--weights gives {parts.Length} numbers for {count} models.");
        return Array.ConvertAll(parts, p => double.TryParse(p, NumberStyles.Float, CultureInfo.InvariantCulture, out var weight) && double.IsFinite(weight)
            ? weight
            : throw new UsageException($"--weights: '{p}' is not a number."));
    }
}
