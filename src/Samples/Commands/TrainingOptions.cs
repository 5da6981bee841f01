using System.CommandLine;
using Microsoft.ML.LoraInit.Samples.Output;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The options of <c>train</c> that say how to train. Their defaults are the trainers' own.</summary>
internal sealed class TrainingOptions
{
    private static readonly LoraTrainerOptions Defaults = new LoraTextClassificationTrainer.Options();

    private readonly Option<string> _baseModel = Text("--base-model", "mini|DIR|HUB-ID", "The pre-trained RoBERTa: the embedded one, a folder in the Hugging Face layout, or a name on the hub.", "mini");
    private readonly Option<string> _init = Text("--init", "NAME[:SETTING=VALUE,…]", $"How the adapters start: {string.Join(", ", LoraInitialization.Names)}.", Defaults.Initialization.Name);
    private readonly Option<string> _method = Text("--method", "NAME", "What is trained: lora[:freeze=a|b,bias=all|lora_only], head-only, bitfit, full, a variant of LoRA: adalora[:target=N,initial=N], sora, lora-pro, kasa, dylora, loha, lokr[:factor=N,both=true] or melora[:count=N] (docs/methods.md), or bottlenecks of size N in all layers but the first K: houlsby, pfeiffer or lin, such as pfeiffer:size=N,skip=K.", "lora");
    private readonly Option<int> _rank = Number("--rank", "N", "The adapters' rank r.", Defaults.Rank);
    private readonly Option<string?> _rankPattern = new("--rank-pattern") { Description = "Other ranks for some layers: names' ends or expressions with a rank each, or FIRST..LAST for ranks that rise from the first encoder layer to the last.", HelpName = "NAME=N,…|N..N" };
    private readonly Option<double> _alpha = Number("--alpha", "X", "Numerator of the adapters' scaling, alpha / r.", Defaults.Alpha);
    private readonly Option<double> _dropout = Number("--dropout", "P", "Dropout on the adapters' input.", Defaults.LoraDropout);
    private readonly Option<bool> _rslora = new("--rslora") { Description = "Scale by alpha / √r (rsLoRA)." };
    private readonly Option<bool> _dora = new("--dora") { Description = "Weight-decomposed adapters (DoRA)." };
    private readonly Option<string> _targets = Text("--target-modules", "NAMES", "The adapted layers: names separated by commas, all-linear, or /expression/.", Defaults.TargetModules.Description);
    private readonly Option<string?> _excluded = new("--exclude-modules") { Description = "Layers of --target-modules that get no adapter, named the same way.", HelpName = "NAMES" };
    private readonly Option<int> _epochs = Number("--epochs", "N", "Passes over the data; the best by validation is kept.", Defaults.MaxEpochs);
    private readonly Option<int> _batchSize = Number("--batch-size", "N", "Rows a step.", Defaults.BatchSize);
    private readonly Option<double> _learningRate = Number("--learning-rate", "X", "Peak learning rate.", Defaults.InitialLearningRate);
    private readonly Option<LearningRateSchedule> _schedule = new("--schedule") { Description = "The learning rate after warm-up.", HelpName = "linear|cosine|constant", DefaultValueFactory = _ => Defaults.LearningRateSchedule };
    private readonly Option<double> _warmup = Number("--warmup", "SHARE", "Share of the steps over which the learning rate rises.", Defaults.WarmupRatio);
    private readonly Option<double> _loraPlusRatio = Number("--lora-plus-ratio", "X", "B's learning rate, in multiples of --learning-rate (LoRA+).", Defaults.LoraPlusRatio);
    private readonly Option<GradientPreconditioning> _preconditioning = new("--gradient-preconditioning") { Description = "What is done to the adapters' gradients before AdamW.", HelpName = "none|riemannian", DefaultValueFactory = _ => Defaults.GradientPreconditioning };
    private readonly Option<double> _weightDecay = Number("--weight-decay", "X", "Decoupled weight decay.", Defaults.WeightDecay);
    private readonly Option<double> _smoothing = Number("--label-smoothing", "SHARE", "Share of each target that is spread over all classes.", Defaults.LabelSmoothing);
    private readonly Option<bool> _noTemperature = new("--no-temperature") { Description = "Leave probabilities as they are, instead of fitting a temperature on half of the validation rows." };
    private readonly Option<int?> _maxLength = new("--max-length") { Description = "Tokens a row at most. Default: the model's maximum.", HelpName = "N" };
    private readonly Option<string> _longText = Text("--long-text", "truncate|head-and-tail|windows:STRIDE", "What is read of rows that are longer: their beginning, beginning and end, or all of it in windows that begin STRIDE tokens apart.", Defaults.LongText.ToString());
    private readonly Option<bool> _specialTokensAsText = new("--special-tokens-as-text") { Description = "Read special tokens that stand in a text, such as <mask> or </s>, as plain text; kept with the model." };
    private readonly Option<Precision> _precision = new("--precision") { Description = "Of the frozen base; auto is bf16 on a GPU and fp32 on a CPU.", HelpName = "auto|fp32|bf16", CustomParser = ParsePrecision, DefaultValueFactory = _ => Precision.Auto };
    private readonly Option<BaseQuantization> _quantizeBase = new("--quantize-base") { Description = "Hold the frozen linear weights in 4 bits (QLoRA).", HelpName = "none|nf4", DefaultValueFactory = _ => Defaults.BaseQuantization };
    private readonly Option<torch.Device[]?> _device = new("--device") { Description = "Where to train; several CUDA devices share every batch. Default: cpu.", HelpName = "cpu|cuda[:N],…", CustomParser = ParseDevices };
    private readonly Option<int> _seed = Number("--seed", "N", "Seed of every random draw.", 0);
    private readonly Option<string?> _checkpoints = new("--checkpoint-dir") { Description = "A folder for resumable checkpoints; the same command goes on from there.", HelpName = "DIR" };

    /// <param name="command">Gets the options.</param>
    /// <param name="startOnly">
    /// Whether the command goes no further than the start: what comes later is then taken, so that a command line can be
    /// used again with another verb, but not shown.
    /// </param>
    public TrainingOptions(CliCommand command, bool startOnly = false)
    {
        _schedule.AcceptOnlyFromAmong("linear", "cosine", "constant");
        _preconditioning.AcceptOnlyFromAmong("none", "riemannian");
        _quantizeBase.AcceptOnlyFromAmong("none", "nf4");
        Option[] all =
        [
            _baseModel, _init, _method, _rank, _rankPattern, _alpha, _dropout, _rslora, _dora, _targets, _excluded, _epochs, _batchSize, _learningRate,
            _schedule, _warmup, _loraPlusRatio, _preconditioning, _weightDecay, _smoothing, _noTemperature, _maxLength, _longText, _specialTokensAsText, _precision, _quantizeBase, _device, _seed, _checkpoints,
        ];
        foreach (var option in all)
            command.Options.Add(option);
        foreach (var option in (Option[])[_method, _dropout, _epochs, _learningRate, _schedule, _warmup, _loraPlusRatio, _preconditioning, _weightDecay, _smoothing, _noTemperature, _checkpoints])
            option.Hidden = startOnly;
    }

    public int Seed(ParseResult result) => result.GetValue(_seed);

    /// <summary>Tries the folder of the checkpoints.</summary>
    /// <exception cref="UsageException">It cannot be written to.</exception>
    public void CheckPlaces(ParseResult result)
    {
        if (result.GetValue(_checkpoints) is { } folder)
            OutputPlace.CheckFolder(folder, "--checkpoint-dir");
    }

    /// <exception cref="ArgumentException">A name is unknown; the message lists the known ones.</exception>
    public T Apply<T>(ParseResult result, T options)
        where T : LoraTrainerOptions
    {
        options.BaseModel = RobertaCheckpoint.Parse(result.GetValue(_baseModel)!);
        options.Initialization = LoraInitialization.Parse(result.GetValue(_init)!);
        options.Method = FineTuningMethod.Parse(result.GetValue(_method)!);
        options.Rank = result.GetValue(_rank);
        if (result.GetValue(_rankPattern) is { } pattern)
            options.RankPattern = RankPatternText.Parse(_rankPattern.Name, pattern, () => options.BaseModel.ReadShape().Layers);
        options.Alpha = result.GetValue(_alpha);
        options.LoraDropout = result.GetValue(_dropout);
        options.RankStabilized = result.GetValue(_rslora);
        options.UseDora = result.GetValue(_dora);
        options.TargetModules = TargetModules.Parse(result.GetValue(_targets)!);
        options.ExcludeModules = result.GetValue(_excluded) is { } excluded ? TargetModules.Parse(excluded) : null;
        options.MaxEpochs = result.GetValue(_epochs);
        options.BatchSize = result.GetValue(_batchSize);
        options.InitialLearningRate = result.GetValue(_learningRate);
        options.LearningRateSchedule = result.GetValue(_schedule);
        options.WarmupRatio = result.GetValue(_warmup);
        options.LoraPlusRatio = result.GetValue(_loraPlusRatio);
        options.GradientPreconditioning = result.GetValue(_preconditioning);
        options.WeightDecay = result.GetValue(_weightDecay);
        options.LabelSmoothing = result.GetValue(_smoothing);
        options.TemperatureScaling = !result.GetValue(_noTemperature);
        options.MaxLength = result.GetValue(_maxLength);
        options.LongText = LongText.Parse(result.GetValue(_longText)!);
        options.SpecialTokensAsText = result.GetValue(_specialTokensAsText);
        options.Precision = result.GetValue(_precision);
        options.BaseQuantization = result.GetValue(_quantizeBase);
        var devices = result.GetValue(_device);
        options.Device = devices?.Length == 1 ? devices[0] : null;
        options.Devices = devices?.Length > 1 ? devices : null;
        options.Seed = result.GetValue(_seed);
        options.CheckpointDirectory = result.GetValue(_checkpoints);
        return options;
    }

    private static Option<string> Text(string name, string help, string description, string value) =>
        new(name) { Description = description, HelpName = help, DefaultValueFactory = _ => value };

    private static Option<T> Number<T>(string name, string help, string description, T value)
        where T : struct => new(name) { Description = description, HelpName = help, DefaultValueFactory = _ => value };

    private static Precision ParsePrecision(System.CommandLine.Parsing.ArgumentResult argument)
    {
        switch (argument.Tokens[0].Value.ToLowerInvariant())
        {
            case "auto": return Precision.Auto;
            case "fp32" or "float32": return Precision.Float32;
            case "bf16" or "bfloat16": return Precision.BFloat16;
            default:
                argument.AddError($"--precision is auto, fp32 or bf16, not '{argument.Tokens[0].Value}'.");
                return default;
        }
    }

    private static torch.Device[]? ParseDevices(System.CommandLine.Parsing.ArgumentResult argument)
    {
        var names = argument.Tokens[0].Value.ToLowerInvariant().Split(',');
        if (names.FirstOrDefault(name => !IsDevice(name)) is { } wrong)
            argument.AddError($"--device is cpu, cuda or cuda:N, or several of the last with commas between, not '{wrong}'.");
        else if (names.Any(name => name != "cpu") && !torch.cuda.is_available())
            argument.AddError("--device: CUDA is not available here (no driver, no device, or a build of libtorch for the CPU); give cpu.");
        else if (names.FirstOrDefault(name => name.Contains(':', StringComparison.Ordinal) && int.Parse(name.AsSpan(5), System.Globalization.CultureInfo.InvariantCulture) >= torch.cuda.device_count()) is { } missing)
            argument.AddError($"--device: there is no {missing}; {torch.cuda.device_count()} CUDA devices were found.");
        else
            return Array.ConvertAll(names, name => torch.device(name));
        return null;

        static bool IsDevice(string name) => name is "cpu" or "cuda"
            || (name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out int index) && index >= 0);
    }
}
