using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary>The options that make a grid: lists are separated by commas.</summary>
internal sealed class GridOptions
{
    private readonly Option<string> _tasks = List("--tasks", "NAMES", $"Tasks: {string.Join(", ", GlueTask.All.Select(t => t.Name))}.", "cola,mrpc,rte,stsb,sst2,qnli");
    private readonly Option<string> _inits = new("--inits") { Description = "Initialisations, separated by semicolons where they have settings (pissa:iterations=16,… ;eva), else by commas; all for every one.", HelpName = "NAMES", DefaultValueFactory = _ => "kaiming" };
    private readonly Option<string> _methods = List("--methods", "NAMES", "What is trained: lora, rslora, dora, and beside them head-only, bitfit, full, houlsby, pfeiffer.", "lora");
    private readonly Option<string> _ranks = List("--ranks", "N,…", "Ranks.", "8");
    private readonly Option<string> _alphas = List("--alphas", "X,…", "Numerators of the scaling alpha / r.", "16");
    private readonly Option<string> _rates = List("--learning-rates", "X,…", "Learning rates; the best is selected for each strategy and task.", "5e-4,1e-3,2e-3");
    private readonly Option<string> _seeds = List("--seeds", "N,…", "Seeds.", "0,1,2");
    private readonly Option<int?> _sweepSeeds = new("--sweep-seeds") { Description = "Sweep the rates with the first K seeds; the others run at the rate selected for their task and strategy alone. Default: all seeds at every rate.", HelpName = "K" };
    private readonly Option<string> _epochs = List("--epochs", "N[,TASK=N…]", "Passes over the data, the best of which counts; other numbers for some tasks after it.", "8");
    private readonly Option<string> _batch = List("--batch-size", "N[,TASK=N…]", "Rows a step.", "32");
    private readonly Option<double> _warmup = new("--warmup") { Description = "Share of the steps over which the rate rises.", DefaultValueFactory = _ => 0.06 };
    private readonly Option<double> _decay = new("--weight-decay") { Description = "Decoupled weight decay.", DefaultValueFactory = _ => 0.01 };
    private readonly Option<int?> _maxLength = new("--max-length") { Description = "Tokens a row at most. Default: the model's maximum.", HelpName = "N" };
    private readonly Option<string> _precision = List("--precision", "auto|fp32|bf16", "Of the frozen base; auto is bf16 on a GPU.", "auto");
    private readonly Option<int?> _trainRows = new("--train-rows") { Description = "The first so many training rows only.", HelpName = "N" };
    private readonly Option<int?> _devRows = new("--dev-rows") { Description = "The first so many dev rows only.", HelpName = "N" };
    private readonly Option[] _all;

    public GridOptions(CliCommand command)
    {
        _precision.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        _all =
        [
            DataDirectory, BaseModel, _tasks, _inits, _methods, _ranks, _alphas, _rates, _seeds, _sweepSeeds, _epochs, _batch,
            _warmup, _decay, _maxLength, _precision, _trainRows, _devRows,
        ];
        foreach (var option in _all)
            command.Options.Add(option);
    }

    public Option<string> DataDirectory { get; } = new("--data-dir") { Description = "The folder with the tasks' folders (CoLA, MRPC, …); 'glue download' makes one.", HelpName = "DIR", Required = true };

    public Option<string> BaseModel { get; } = new("--base-model") { Description = "The pre-trained RoBERTa: mini, a folder, or a name on the hub.", HelpName = "mini|DIR|HUB-ID", DefaultValueFactory = _ => "mini" };

    /// <exception cref="ArgumentException">An option does not parse.</exception>
    public GridSpec Read(ParseResult result, RobertaCheckpoint checkpoint, string baseModelSha256, Device device)
    {
        var tasks = Split(result, _tasks).Select(t => GlueTask.Parse(t).Name).Distinct().ToArray();
        return new()
        {
            Tasks = tasks,
            // A folder's place differs between machines that share a grid; its name and the weights' hash do not.
            BaseModel = Directory.Exists(checkpoint.Id) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint.Id))) : checkpoint.Id,
            BaseModelSha256 = baseModelSha256,
            Precision = ResolvePrecision(result.GetValue(_precision)!, device),
            Methods = [.. Split(result, _methods).Select(MethodName)],
            Initializations = Initializations(result.GetValue(_inits)!),
            Ranks = [.. Split(result, _ranks).Select(t => Number(_ranks, t, int.Parse))],
            Alphas = [.. Split(result, _alphas).Select(t => Number(_alphas, t, double.Parse))],
            LearningRates = [.. Split(result, _rates).Select(t => Number(_rates, t, double.Parse))],
            Seeds = [.. Split(result, _seeds).Select(t => Number(_seeds, t, int.Parse))],
            SweepSeeds = Positive(result, _sweepSeeds),
            Epochs = PerTask.ParseCounts(_epochs.Name, result.GetValue(_epochs)!, t => GlueTask.Parse(t).Name),
            BatchSize = PerTask.ParseCounts(_batch.Name, result.GetValue(_batch)!, t => GlueTask.Parse(t).Name),
            WarmupRatio = result.GetValue(_warmup),
            WeightDecay = result.GetValue(_decay),
            MaxLength = result.GetValue(_maxLength),
            TrainRows = Positive(result, _trainRows),
            DevRows = Positive(result, _devRows),
        };
    }

    /// <summary>The command that makes this grid, without what says where and how it is run.</summary>
    public string CommandLine(ParseResult result) => "lorainit glue " + string.Join(' ', _all
        .Where(o => result.GetResult(o) is { Implicit: false })
        .Select(o => $"{o.Name} {string.Join(' ', result.GetResult(o)!.Tokens.Select(t => Quoted(t.Value)))}"));

    private static string Quoted(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || "-_.,:=/".Contains(c)) ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    // Records name the precision that a run had, so that what auto means is settled here, as the library settles it.
    private static string ResolvePrecision(string text, Device device) => text switch
    {
        "fp32" => "float32",
        "bf16" => "bfloat16",
        _ => device.type == TorchSharp.DeviceType.CUDA ? "bfloat16" : "float32",
    };

    private static string MethodName(string text)
    {
        if (!Methods.HasAdapters(text))
            _ = FineTuningMethod.Parse(text); // throws with the names there are
        return text;
    }

    private static LoraInitialization[] Initializations(string text)
    {
        if (text.Trim() == "all")
            return [.. LoraInitialization.Names.Select(LoraInitialization.Parse)];
        var separator = text.Contains(';') || text.Contains(':') ? ';' : ',';
        return [.. text.Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(LoraInitialization.Parse)];
    }

    private static T Number<T>(Option<string> option, string text, Func<string, IFormatProvider, T> parse)
    {
        try
        {
            return parse(text, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new UsageException($"{option.Name}: '{text}' is not a number of the kind wanted.", e);
        }
    }

    private static int? Positive(ParseResult result, Option<int?> option) =>
        result.GetValue(option) is { } value && value < 1 ? throw new UsageException($"{option.Name} must be at least 1, not {value}.") : result.GetValue(option);

    private static string[] Split(ParseResult result, Option<string> option) =>
        result.GetValue(option)!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static Option<string> List(string name, string help, string description, string value) =>
        new(name) { Description = description, HelpName = help, DefaultValueFactory = _ => value };
}
