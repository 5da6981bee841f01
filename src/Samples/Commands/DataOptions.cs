using System.CommandLine;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.LoraInit.Samples.Data.Files;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The options that say what a file's columns are: a task of GLUE by name, or columns.</summary>
internal sealed class DataOptions
{
    private readonly Option<string?> _task = new("--task") { Description = "Layout and labels of a GLUE task, as published.", HelpName = string.Join('|', GlueLayouts.Names) };
    private readonly Option<string?> _text = new("--text-column") { Description = "Column of the text: a name of the header or a number from 1. Default: Text, or the one that the header shows to be it.", HelpName = "NAME|N" };
    private readonly Option<string?> _text2 = new("--text2-column") { Description = "Column of the second text of a pair.", HelpName = "NAME|N" };
    private readonly Option<string?> _label = new("--label-column") { Description = "Column of the label. Default: Label, or the one that the header shows to be it.", HelpName = "NAME|N" };
    private readonly Option<string?> _weight = new("--weight-column") { Description = "Column of how much a row counts in training, a number of at least 0.", HelpName = "NAME|N" };
    private readonly Option<TaskKind?> _kind = new("--kind") { Description = "What the label is: one of several classes, 0/1 (or false/true, no/yes), any of several labels, or a number.", HelpName = "multiclass|binary|multilabel|regression" };
    private readonly Option<string?> _delimiter = new("--label-delimiter") { Description = $"What stands between the labels of a row (--kind multilabel). Default: {LabelList.DefaultDelimiter}", HelpName = "CHARACTER" };
    private readonly Option<string?> _format = new("--format") { Description = "How the rows are written: tab-separated without quoting, CSV with quoting, JSON objects (one a line, or a list), or Parquet. Default: by the file's ending, otherwise tsv.", HelpName = string.Join('|', DataFormats.Names) };
    private readonly Option<string?> _separator = new("--delimiter") { Description = "What separates the columns of CSV: one character, or tab. Default: the one of , ; | and tab that the first line has.", HelpName = "CHARACTER" };
    private readonly Option<bool> _noHeader = new("--no-header") { Description = "The first line is a row; name the columns by number." };
    private readonly Option<bool> _skipMalformed = new("--skip-malformed") { Description = "Leave out lines with a wrong number of columns (the published QQP has some) or without a value, instead of refusing the file." };
    private readonly bool _labelled;

    public DataOptions(CliCommand command, bool labelled, bool asksKind)
    {
        _labelled = labelled;
        _task.AcceptOnlyFromAmong([.. GlueLayouts.Names]);
        _format.AcceptOnlyFromAmong([.. DataFormats.Names]);
        _kind.AcceptOnlyFromAmong("multiclass", "binary", "multilabel", "regression");
        command.Options.Add(_task);
        command.Options.Add(_text);
        command.Options.Add(_text2);
        if (labelled)
            command.Options.Add(_label);
        if (asksKind)
        {
            command.Options.Add(_weight);
            command.Options.Add(_kind);
            command.Options.Add(_delimiter);
        }
        command.Options.Add(_format);
        command.Options.Add(_separator);
        command.Options.Add(_noHeader);
        command.Options.Add(_skipMalformed);
    }

    /// <summary>The layout; the kind is the trained model's where one is given, otherwise the options say it.</summary>
    /// <exception cref="UsageException">The options contradict each other or leave something open.</exception>
    public TextLayout Read(ParseResult result, TaskKind? fromModel = null)
    {
        var columns = new[] { result.GetValue(_text), result.GetValue(_text2), _labelled ? result.GetValue(_label) : null };
        var kind = fromModel ?? result.GetValue(_kind);
        bool skip = result.GetValue(_skipMalformed);
        var delimiter = result.GetValue(_delimiter);
        if (result.GetValue(_task) is { } task)
        {
            if (columns.Any(c => c is not null) || result.GetValue(_noHeader) || delimiter is not null || result.GetValue(_weight) is not null || (fromModel is null && kind is not null))
                throw new UsageException("--task says where everything is: give either it or --text-column, --text2-column, --label-column, --kind, --label-delimiter and --no-header.");
            var preset = GlueLayouts.Get(task);
            if (fromModel is { } trained && trained != preset.Kind)
                throw new UsageException($"--task {task} is a {Name(preset.Kind)} task and the model was trained for {Name(trained)}.");
            return preset with { Label = _labelled ? preset.Label : null, SkipMalformed = skip };
        }
        if (kind is null)
            throw new UsageException("give --task, or --kind with --text-column and --label-column.");
        if (delimiter is not null && kind != TaskKind.MultiLabel)
            throw new UsageException("--label-delimiter goes with --kind multilabel alone.");
        return new()
        {
            Name = Name(kind.Value),
            Kind = kind.Value,
            Text = columns[0] ?? DataViews.Text,
            Text2 = columns[1],
            Label = _labelled ? columns[2] ?? DataViews.Label : null,
            Weight = result.GetValue(_weight),
            HasHeader = !result.GetValue(_noHeader),
            SkipMalformed = skip,
            LabelDelimiter = delimiter is null ? LabelList.DefaultDelimiter : Delimiter(delimiter),
        };
    }

    /// <summary>The file in its format, and the layout with those columns that were not named and that its header shows, which is said.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="path">A file, or <c>-</c>.</param>
    /// <param name="layout">What <see cref="Read"/> gave.</param>
    /// <param name="terminal">Gives standard input.</param>
    /// <param name="pair">Whether the model reads pairs; null where that is open.</param>
    /// <param name="say">Is told the columns found; null where they are known already.</param>
    /// <exception cref="GlueDataException">The file cannot be read.</exception>
    /// <exception cref="UsageException">Several columns could be meant, or the options do not go with the format.</exception>
    public (DataFile File, TextLayout Layout) Open(ParseResult result, string path, TextLayout layout, Terminal terminal, bool? pair = null, TextWriter? say = null)
    {
        bool preset = result.GetValue(_task) is not null;
        // GLUE's own files are tab-separated whatever they are called.
        var format = result.GetValue(_format) is { } named ? Enum.Parse<DataFormat>(named, ignoreCase: true) : preset ? DataFormat.Tsv : DataFormats.Of(path);
        var separator = result.GetValue(_separator);
        if (separator is not null && format != DataFormat.Csv)
            throw new UsageException($"--delimiter goes with CSV; {path} is read as {format.ToString().ToLowerInvariant()} (--format csv says otherwise).");
        if (format is DataFormat.Jsonl or DataFormat.Parquet && !layout.HasHeader)
            throw new UsageException($"--no-header: the columns of {format.ToString().ToLowerInvariant()} always have names.");
        var file = DataFile.Open(path, format, separator is null ? null : Separator(separator), layout, terminal);
        try
        {
            if (preset || !layout.HasHeader)
                return (file, layout);
            bool formatGiven = result.GetValue(_format) is not null;
            if (say is null)
            {
                ColumnCheck.Apply(file, layout, [], formatGiven);
                return (file, layout);
            }
            var (textGiven, labelGiven) = (result.GetValue(_text) is not null || result.GetValue(_text2) is not null, _labelled && result.GetValue(_label) is not null);
            var found = ColumnGuess.Apply(layout, file.FirstLine, textGiven, labelGiven, pair);
            string[] guessed = [.. textGiven ? Array.Empty<string>() : ["--text-column"], .. labelGiven ? Array.Empty<string>() : ["--label-column"]];
            ColumnCheck.Apply(file, found, guessed, formatGiven);
            if (found != layout)
                say.WriteLine($"{file.Name}: {(found.Text2 is null ? $"the text is the column '{found.Text}'" : $"the texts are the columns '{found.Text}' and '{found.Text2}'")}{(found.Label is null ? "" : $", the label '{found.Label}'")}.");
            return (file, found);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static char Separator(string text) => text switch
    {
        "tab" or "\\t" => '\t',
        [var one] when one is not ('"' or '\n' or '\r') => one,
        _ => throw new UsageException($"--delimiter is one character, or tab, not '{text}'."),
    };

    // A letter or a digit would cut names in two; a tab separates columns.
    private static char Delimiter(string text) => text is [var one] && !char.IsLetterOrDigit(one) && !char.IsControl(one)
        ? one
        : throw new UsageException($"--label-delimiter is one character that is no letter, digit or tab, not '{text}'.");

    private static string Name(TaskKind kind) => kind.ToString().ToLowerInvariant();
}
