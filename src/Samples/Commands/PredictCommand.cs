using System.CommandLine;
using System.Text;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Data.Files;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>predict</c>: what a saved model says about a text, or about each row of a file.</summary>
internal sealed class PredictCommand
{
    // Of one text's classes: those after them are next to impossible, and a file has them all.
    private const int MostBars = 10;

    private readonly Terminal _terminal;
    private readonly Option<string> _model = new("--model") { Description = "A model saved by train.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _text = new("--text") { Description = "A text to predict for.", HelpName = "TEXT" };
    private readonly Option<string?> _text2 = new("--text2") { Description = "The second text of a pair.", HelpName = "TEXT" };
    private readonly Option<string?> _input = new("--input") { Description = "Rows to predict for: TSV, CSV, JSONL or Parquet; - for standard input.", HelpName = "FILE" };
    private readonly Option<string?> _output = new("--output") { Description = "Where to write the predictions in the input's order: TSV, CSV or JSONL, by the ending; - for standard output, in the input's format.", HelpName = "FILE" };
    private readonly Option<double?> _notSure = NumberOption.Create("--not-sure-below", $"Answer \"{Prediction.NotSure}\" where the label's probability (of several labels: the least sure one's) is lower.", "P");
    private readonly Option<string?> _shard = new("--shard") { Description = "One of n equal parts of the rows, i/n with i from 0, written beside --output for 'predict merge'; auto asks a Slurm array or a Kubernetes Indexed Job.", HelpName = "I/N" };
    private readonly EngineOptions _engine;
    private readonly DataOptions _data;
    private readonly RunOptions _run;

    private PredictCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        Option[] options = [_model, _text, _text2, _input, _output, _shard, _notSure];
        foreach (var option in options)
            command.Options.Add(option);
        _engine = new(command);
        _data = new(command, labelled: false, asksKind: false);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("predict", "Predict for one text, or for each row of a file.");
        var run = new PredictCommand(command, terminal, verbose);
        command.Subcommands.Add(PredictMergeCommand.Create(terminal));
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var (text, text2, input, output) = (result.GetValue(_text), result.GetValue(_text2), result.GetValue(_input), result.GetValue(_output));
        if ((text is null) == (input is null))
            throw new UsageException("give either --text (with --text2 for a pair) or --input with --output.");
        if ((input is null) != (output is null))
            throw new UsageException("--input and --output go together.");
        if (text2 is not null && text is null)
            throw new UsageException("--text2 goes with --text.");
        var shard = Part(result, output);
        if (shard.Count > 1)
            output = shard.Of(output!);
        if (output is not null and not DataFile.Standard)
            OutputPlace.Check(output, "--output");

        var ml = _run.Start(result, _terminal);
        using var file = _engine.Load(ml, result.GetRequiredValue(_model), result);
        double threshold = Threshold(result.GetValue(_notSure), file);
        if (text is not null)
        {
            file.Check(text2 is not null, "--text2");
            One(ml, file, text, text2, threshold);
        }
        else
        {
            Many(ml, file, result, output!, shard, threshold, cancellation);
        }
        return ExitCodes.Success;
    }

    private static double Threshold(double? asked, ModelFile file)
    {
        if (asked is not { } threshold)
            return 0;
        if (!(threshold is > 0 and < 1))
            throw new UsageException($"--not-sure-below is a probability above 0 and below 1, not {threshold}.");
        if (file.Kind == TaskKind.Regression)
            throw new UsageException("--not-sure-below goes with classes and labels: this model predicts numbers, which have no probability.");
        return file.Classes.Contains(Prediction.NotSure, StringComparer.Ordinal)
            ? throw new UsageException($"--not-sure-below: the model has a class named '{Prediction.NotSure}', which could not be told from the answer.")
            : threshold;
    }

    private void One(MLContext ml, ModelFile file, string text, string? text2, double threshold)
    {
        var data = DataViews.Create(ml, [new TextFileRow(text, text2, null)], file.Kind, file.IsPair, file.LabelDelimiter);
        var prediction = PredictionWriter.Read(file.Model.Transform(data), file).Single();
        var shown = text2 is null ? text : $"{text}” – “{text2}";
        switch (file.Kind)
        {
            case TaskKind.Multiclass:
                PredictionBars.Write(_terminal, shown, file.Classes, prediction.Scores, MostBars);
                if (file.Classes.Count > MostBars)
                    _terminal.Output.WriteLine($"    and {Count.Of(file.Classes.Count - MostBars, "less likely class")}");
                break;
            case TaskKind.MultiLabel:
                PredictionBars.Write(_terminal, shown, file.Classes, prediction.Scores, file.Classes.Count, [.. LabelList.Split(prediction.Label, file.LabelDelimiter)]);
                break;
            case TaskKind.Binary:
                PredictionBars.Write(_terminal, shown, ["true", "false"], [prediction.Scores[0], 1 - prediction.Scores[0]]);
                break;
            default:
                _terminal.Output.WriteLine($"{prediction.Scores[0]:0.0000;-0.0000;0.0000}");
                break;
        }
        var cut = new CutRows(file.Tokenizer);
        cut.Pass(new(text, text2, null));
        cut.Report(_terminal.Output);
        if (prediction.Confidence < threshold)
            _terminal.Output.WriteLine($"Not sure: {prediction.Confidence:0.0 %} is below {threshold:0.0 %}.");
    }

    private PredictionPart Part(ParseResult result, string? output)
    {
        if (result.GetValue(_shard) is not { } text)
            return PredictionPart.Whole;
        if (output is null or DataFile.Standard)
            throw new UsageException("--shard: parts are files beside --output; give --input and the name of a file with --output.");
        try
        {
            return new(Shard.Resolve(text, Environment.GetEnvironmentVariable));
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private void Many(MLContext ml, ModelFile file, ParseResult result, string output, PredictionPart part, double threshold, CancellationToken cancellation)
    {
        bool piped = output == DataFile.Standard;
        var words = piped ? _terminal.Error : _terminal.Output;
        var (source, layout) = _data.Open(result, result.GetValue(_input)!, _data.Read(result, file.Kind), _terminal, file.IsPair, words);
        using var owned = source;
        file.Check(layout.Text2 is not null, "--text2-column or a --task of pairs");
        var format = piped ? source.Format : DataFormats.ToWrite(result.GetValue(_output)!, "--output");
        // The rows are read as the model asks for them, so a file may be larger than memory.
        var skipped = new SkippedLines(source.Name);
        var cut = new CutRows(file.Tokenizer);
        long place = 0;
        var rows = TextFile.Read(source.Lines(layout), source.Name, layout, Skip).Where(_ => part.Has(place++)).Select(row =>
        {
            skipped.Read();
            cancellation.ThrowIfCancellationRequested();
            return cut.Pass(row);
        });
        var scored = file.Model.Transform(DataViews.Create(ml, rows, file.Kind, file.IsPair, file.LabelDelimiter));
        var predictions = PredictionWriter.Read(scored, file).Select(p => p.Unless(threshold));
        long count = 0;
        if (piped)
            count = PredictionWriter.Write(_terminal.Output, format, predictions, file, skipped);
        else
            AtomicFile.Write(output, stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
                count = PredictionWriter.Write(writer, format, predictions, file, skipped, mayBeEmpty: part.Count > 1);
            });
        cut.Report(words);
        skipped.Report(_terminal, " In the output such rows are empty.");
        if (place == 0)
            _terminal.Error.WriteLine($"lorainit: {source.Name} has no rows; nothing was predicted.");
        words.WriteLine($"{Count.Of(count, "prediction")} written to {(piped ? "standard output" : Path.GetFullPath(output))}.");

        void Skip(long line)
        {
            if (part.Has(place++))
                skipped.Add(line);
        }
    }
}
