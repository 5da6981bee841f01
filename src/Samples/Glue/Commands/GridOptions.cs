using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Samples.Glue.Commands;

/// <summary>The options that make a grid: lists are separated by commas. Their texts are those of <see cref="GridText"/>.</summary>
internal sealed class GridOptions
{
    private readonly Option<string>[] _grid =
    [
        Of("tasks", "NAMES", $"Tasks: {string.Join(", ", GlueTask.All.Select(t => t.Name))}."),
        Of("inits", "NAMES", "Initialisations, separated by semicolons where they have settings (pissa:iterations=16,… ;eva), else by commas; a setting takes several values (hrp:rank=16|64,side=a|b); all for every published one."),
        Of("methods", "NAMES", "What is trained: lora, lora:freeze=a, rslora, dora, and beside them head-only, bitfit, full, the variants of LoRA and of full in docs/methods.md, and bottlenecks: houlsby, pfeiffer, lin, and fusion:sources=A.mlnet+B.mlnet; separated by semicolons where they have settings (lora;pfeiffer:size=16,skip=5)."),
        Of("ranks", "N,…", "Ranks."),
        Of("alphas", "X|r|2r,…", "Numerators of the scaling alpha / r: numbers, or multiples of each rank (r, 2r)."),
        Of("rank-pattern", "NAME=N,…|N..N", "Other ranks for some layers: names' ends or expressions with a rank each, or FIRST..LAST for ranks that rise from the first encoder layer to the last."),
        Of("learning-rates", "X,…[,TASK=X/X…]", "Learning rates; the best is selected for each strategy and task. Other lists for some tasks after them."),
        Of("seeds", "N,…", "Seeds."),
        Of("sweep-seeds", "K", "Sweep the rates with the first K seeds; the others run at the rate selected for their task and strategy alone. Default: all seeds at every rate."),
        Of("epochs", "N[,TASK=N…]", "Passes over the data, the best of which counts; other numbers for some tasks after it."),
        Of("batch-size", "N[,TASK=N…]", "Rows a step."),
        Of("warmup", "SHARE", "Share of the steps over which the rate rises."),
        Of("weight-decay", "X", "Decoupled weight decay."),
        Of("decay-biases", "true|false", "Whether biases and norms decay too, as where AdamW gets one group of all parameters."),
        Of("max-grad-norm", "X", "The norm that gradients are clipped to; 0 for no clipping."),
        Of("max-length", "N", "Tokens a row at most. Default: the model's maximum."),
        Of("train-rows", "N|all,…", "The first so many training rows only; several make a grid of data sizes."),
        Of("dev-rows", "N", "The first so many dev rows only."),
        Of("start", "TASK=TASK|DIR,…", "Tasks that start from an adapter: a folder's in PEFT's layout, or that of another task's run of the same settings, which is trained first."),
    ];

    private readonly Option<string> _precision = new("--precision") { Description = "Of the frozen base; auto is bf16 on a GPU.", HelpName = "auto|fp32|bf16", DefaultValueFactory = _ => "auto" };
    private readonly Option[] _all;

    public GridOptions(CliCommand command)
    {
        _precision.AcceptOnlyFromAmong("auto", "fp32", "bf16");
        _all = [DataDirectory, BaseModel, Recipe, .. _grid, _precision];
        foreach (var option in _all)
            command.Options.Add(option);
    }

    public Option<string> DataDirectory { get; } = new("--data-dir") { Description = "The folder with the tasks' folders (CoLA, MRPC, …); 'glue download' makes one.", HelpName = "DIR", Required = true };

    public Option<string> BaseModel { get; } = new("--base-model") { Description = "The pre-trained RoBERTa: mini, a folder, or a name on the hub.", HelpName = "mini|DIR|HUB-ID", DefaultValueFactory = _ => "mini" };

    public Option<string?> Recipe { get; } = new("--recipe") { Description = "A published experiment's settings, or a file of your own; what is given beside it counts instead. 'glue recipe' lists and prints them.", HelpName = "NAME|FILE" };

    /// <summary>What was given on the command line, by the names of <see cref="GridText.Defaults"/>.</summary>
    public IReadOnlyDictionary<string, string?> Given(ParseResult result) => _grid
        .Where(o => result.GetResult(o) is { Implicit: false })
        .ToDictionary(o => o.Name[2..], o => result.GetValue(o));

    /// <summary>A grid that has the base model and nothing else yet.</summary>
    public GridSpec Model(ParseResult result, RobertaCheckpoint checkpoint, string baseModelSha256, Device device) => new()
    {
        Tasks = [],
        Initializations = [],
        LearningRates = [],
        Seeds = [],
        Epochs = new(0),
        // A folder's place differs between machines that share a grid; its name and the weights' hash do not.
        BaseModel = Directory.Exists(checkpoint.Id) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint.Id))) : checkpoint.Id,
        BaseModelSha256 = baseModelSha256,
        Precision = ResolvePrecision(result.GetValue(_precision)!, device),
    };

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

    private static Option<string> Of(string name, string help, string description) => GridText.Defaults[name] is { } value
        ? new($"--{name}") { Description = description, HelpName = help, DefaultValueFactory = _ => value }
        : new($"--{name}") { Description = description, HelpName = help };
}
