using System.CommandLine;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Data.Files;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>embed</c>: a vector for each row of a file, by a base model, an adapter or a trained model.</summary>
internal sealed class EmbedCommand
{
    private const string Column = "Embedding";
    private const string Mean = "mean", First = "first", HeadInput = "head-input";

    private readonly Terminal _terminal;
    private readonly Option<string> _input = new("--input") { Description = "Rows to embed: TSV, CSV, JSONL or Parquet; - for standard input.", HelpName = "FILE", Required = true };
    private readonly Option<string> _output = new("--output") { Description = "Where to write the vectors in the input's order: TSV, CSV or JSONL, by the ending; - for standard output, in the input's format.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _baseModel = new("--base-model") { Description = "The base: the embedded one, a folder in the Hugging Face layout, or a name on the hub. Default: mini", HelpName = "mini|DIR|HUB-ID" };
    private readonly Option<string?> _adapter = new("--adapter") { Description = "An adapter over the base, as Python's PEFT saves it.", HelpName = "DIR" };
    private readonly Option<string?> _model = new("--model") { Description = "A model saved by train, in place of --base-model and --adapter.", HelpName = "FILE" };
    private readonly Option<string> _pooling = new Option<string>("--pooling") { Description = "How tokens become one vector: their mean, the first token, or what the last layer of a trained head takes.", DefaultValueFactory = _ => Mean }.AcceptOnlyFromAmong(Mean, First, HeadInput);
    private readonly Option<bool> _raw = new("--no-normalize") { Description = "Leave the vectors as long as they are; otherwise they are made 1 long." };
    private readonly Option<string> _prefix = new("--prefix") { Description = "Put before every text, such as \"query: \" for multilingual-e5.", HelpName = "TEXT", DefaultValueFactory = _ => "" };
    private readonly Option<int?> _maxLength = new("--max-length") { Description = "Tokens a text at most. Default: what the model takes.", HelpName = "N" };
    private readonly DataOptions _data;
    private readonly RunOptions _run;

    private EmbedCommand(CliCommand command, Terminal terminal, Option<bool> verbose)
    {
        _terminal = terminal;
        Option[] options = [_input, _output, _baseModel, _adapter, _model, _pooling, _raw, _prefix, _maxLength];
        foreach (var option in options)
            command.Options.Add(option);
        _data = new(command, labelled: false, asksKind: false);
        _run = new(command, verbose);
    }

    public static CliCommand Create(Terminal terminal, Option<bool> verbose)
    {
        var command = new CliCommand("embed", "Make a vector of each row's text.");
        var run = new EmbedCommand(command, terminal, verbose);
        command.SetAction((result, cancellation) => Task.FromResult(run.Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        var (input, output, model) = (result.GetRequiredValue(_input), result.GetRequiredValue(_output), result.GetValue(_model));
        if (model is not null && (result.GetValue(_baseModel) is not null || result.GetValue(_adapter) is not null))
            throw new UsageException("--model has its base and adapter in it: give either it or --base-model and --adapter.");
        bool piped = output == DataFile.Standard;
        if (!piped)
            OutputPlace.Check(output, "--output");
        var format = piped ? (DataFormat?)null : DataFormats.ToWrite(output, "--output");
        var words = piped ? _terminal.Error : _terminal.Output;

        var ml = _run.Start(result, _terminal);
        var layout = _data.Read(result, result.GetValue<string?>("--task") is null ? TaskKind.Regression : null);
        var (source, found) = _data.Open(result, input, layout, _terminal, pair: false, words);
        using var owned = source;
        if (found.Text2 is not null)
            throw new UsageException("embed takes one text a row: leave out --text2-column, or name the text's column in place of a --task of pairs.");
        var skipped = new SkippedLines(source.Name);
        var rows = TextFile.Read(source.Lines(found), source.Name, found, skipped.Add).Select(row =>
        {
            skipped.Read();
            cancellation.ThrowIfCancellationRequested();
            return row;
        });
        var view = DataViews.Create(ml, rows, TaskKind.Regression, pair: false);
        using var file = model is null ? null : ModelFile.Load(ml, model);
        using var step = Step(ml, result, file).Fit(view);
        long count = 0;
        if (piped)
            count = Write(_terminal.Output, source.Format, step, view, skipped);
        else
            AtomicFile.Write(output, stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
                count = Write(writer, format!.Value, step, view, skipped);
            });
        skipped.Report(_terminal, " In the output their rows are empty.");
        if (count == 0)
            _terminal.Error.WriteLine($"lorainit: {source.Name} has no rows; nothing was embedded.");
        words.WriteLine($"{Count.Of(count, "vector")} of {step.Dimension} numbers written to {(piped ? "standard output" : Path.GetFullPath(output))}.");
        return ExitCodes.Success;
    }

    private RobertaEmbeddingEstimator Step(MLContext ml, ParseResult result, ModelFile? file)
    {
        var options = new RobertaEmbeddingOptions
        {
            TextColumnName = DataViews.Text,
            OutputColumnName = Column,
            Pooling = result.GetRequiredValue(_pooling) switch { First => SentencePooling.FirstToken, HeadInput => SentencePooling.HeadInput, _ => SentencePooling.Mean },
            Normalize = !result.GetValue(_raw),
            Prefix = result.GetRequiredValue(_prefix),
            MaxLength = result.GetValue(_maxLength),
        };
        return file is null
            ? ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Parse(result.GetValue(_baseModel) ?? "mini"), options, result.GetValue(_adapter))
            : ml.Transforms.Text.RobertaEmbeddings(file.Trained ?? throw new UsageException("--model: the file has no step that a LoRA trainer made."), options);
    }

    private static long Write(TextWriter writer, DataFormat format, RobertaEmbeddingTransformer step, IDataView view, SkippedLines skipped)
    {
        bool json = format == DataFormat.Jsonl;
        var table = new RowWriter(writer, format, json ? [Column] : [.. Enumerable.Range(0, step.Dimension).Select(i => $"{Column}:{i}")]);
        long rows = 0, lines = 0;
        foreach (var vector in step.Transform(view).GetColumn<float[]>(Column))
        {
            Empty();
            table.Write(json ? [vector] : [.. vector.Cast<object>()]);
            rows++;
            lines++;
        }
        if (rows == 0 && skipped.Count > 0)
            throw new UsageException($"--input: all {skipped.Count} lines are malformed; nothing was embedded. Check the columns, or leave out --skip-malformed to see what is wrong.");
        Empty();
        return rows;

        void Empty()
        {
            for (; skipped.Has(lines); lines++)
                table.WriteEmpty();
        }
    }
}
