namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>
/// What the command line says differently from the trainers' options: shorter names, its own words, and what is no option of it. An
/// option that is not here gets its name and its description from the library.
/// </summary>
internal static class TrainerOptionTable
{
    /// <summary>Options that are not on the command line, and why.</summary>
    public static IReadOnlyDictionary<string, string> Left { get; } = new Dictionary<string, string>
    {
        [nameof(LoraTrainerOptions.TextColumnName)] = "columns have fixed names behind the file: --text-column",
        [nameof(LoraTrainerOptions.Text2ColumnName)] = "columns have fixed names behind the file: --text2-column",
        [nameof(LoraTrainerOptions.LabelColumnName)] = "columns have fixed names behind the file: --label-column",
        [nameof(LoraTrainerOptions.ExampleWeightColumnName)] = "columns have fixed names behind the file: --weight-column",
        [nameof(LoraTrainerOptions.ScoreColumnName)] = "the other commands read it by this name",
        [nameof(LoraTextClassificationTrainer.Options.PredictedLabelColumnName)] = "the other commands read it by this name",
        [nameof(LoraBinaryTextClassificationTrainer.Options.ProbabilityColumnName)] = "the other commands read it by this name",
        [nameof(LoraTrainerOptions.ValidationData)] = "a file: --validation",
        [nameof(LoraTextClassificationTrainer.Options.ValidationMetric)] = "its default is the task's: --validation-metric",
        [nameof(LoraTrainerOptions.Progress)] = "the program shows it",
        [nameof(LoraTrainerOptions.CancellationToken)] = "Ctrl+C",
        [nameof(LoraTrainerOptions.Devices)] = "together with Device: --device",
    };

    private static readonly Dictionary<string, Words> Known = new()
    {
        [nameof(LoraTrainerOptions.BaseModel)] = new("--base-model", "The pre-trained RoBERTa: the embedded one, a folder in the Hugging Face layout, or a name on the hub."),
        [nameof(LoraTrainerOptions.Initialization)] = new("--init", $"How the adapters start: {string.Join(", ", LoraInitialization.Names)}."),
        [nameof(LoraTrainerOptions.Method)] = new("--method", "What is trained: lora[:freeze=a|b,bias=all|lora_only], head-only, bitfit, full, a variant of LoRA: adalora[:target=N,initial=N], sora, lora-pro, kasa, dylora, loha, lokr[:factor=N,both=true], melora[:count=N], prolora, rosa[:density=D], beamlora, alora[:rounds=N], rm-lora[:directions=N], sd-lora, or of full: galore[:rank=N], lisa[:layers=N] (docs/methods.md), or bottlenecks of size N in all layers but the first K: houlsby, pfeiffer or lin, such as pfeiffer:size=N,skip=K, or an attention over saved models of pfeiffer: fusion:sources=A.mlnet+B.mlnet."),
        [nameof(LoraTrainerOptions.Rank)] = new("--rank", "The adapters' rank r."),
        [nameof(LoraTrainerOptions.RankPattern)] = new("--rank-pattern", "Other ranks for some layers: names' ends or expressions with a rank each, or FIRST..LAST for ranks that rise from the first encoder layer to the last.", "NAME=N,…|N..N"),
        [nameof(LoraTrainerOptions.Alpha)] = new("--alpha", "Numerator of the adapters' scaling, alpha / r."),
        [nameof(LoraTrainerOptions.AlphaPattern)] = new("--alpha-pattern", "Other alphas for some layers: names' ends or expressions with an alpha each."),
        [nameof(LoraTrainerOptions.LoraDropout)] = new("--dropout", "Dropout on the adapters' input."),
        [nameof(LoraTrainerOptions.RankStabilized)] = new("--rslora", "Scale by alpha / √r (rsLoRA)."),
        [nameof(LoraTrainerOptions.UseDora)] = new("--dora", "Weight-decomposed adapters (DoRA)."),
        [nameof(LoraTrainerOptions.TargetModules)] = new("--target-modules", "The adapted layers: names separated by commas, all-linear, or /expression/."),
        [nameof(LoraTrainerOptions.ExcludeModules)] = new("--exclude-modules", "Layers of --target-modules that get no adapter, named the same way."),
        [nameof(LoraTrainerOptions.LayersToTransform)] = new("--layers", "The encoder layers adapted, from 0, such as 0,1,2 or 6..11. Default: all."),
        [nameof(LoraTrainerOptions.InitialAdapter)] = new("--initial-adapter", "Train on from this PEFT adapter's folder; --rank, --alpha, --init and what else it says are then left out.", "DIR"),
        [nameof(LoraTrainerOptions.MaxEpochs)] = new("--epochs", "Passes over the data; the best by validation is kept."),
        [nameof(LoraTrainerOptions.BatchSize)] = new("--batch-size", "Rows a step."),
        [nameof(LoraTrainerOptions.GradientAccumulationSteps)] = new("--gradient-accumulation", "Batches whose gradients are added up for one step."),
        [nameof(LoraTrainerOptions.InitialLearningRate)] = new("--learning-rate", "Peak learning rate."),
        [nameof(LoraTrainerOptions.LearningRateSchedule)] = new("--schedule", "The learning rate after warm-up."),
        [nameof(LoraTrainerOptions.WarmupRatio)] = new("--warmup", "Share of the steps over which the learning rate rises.", "SHARE"),
        [nameof(LoraTrainerOptions.LoraPlusRatio)] = new("--lora-plus-ratio", "B's learning rate, in multiples of --learning-rate (LoRA+)."),
        [nameof(LoraTrainerOptions.GradientPreconditioning)] = new("--gradient-preconditioning", "What is done to the adapters' gradients before AdamW."),
        [nameof(LoraTrainerOptions.PreconditioningDamping)] = new("--preconditioning-damping", "What riemannian preconditioning adds, so that factors of zeros can be divided by."),
        [nameof(LoraTrainerOptions.WeightDecay)] = new("--weight-decay", "Decoupled weight decay."),
        [nameof(LoraTrainerOptions.DecayBiasesAndNorms)] = new("--decay-biases", "Decay biases and norms too."),
        [nameof(LoraTrainerOptions.MaxGradientNorm)] = new("--max-grad-norm", "The norm that gradients are clipped to; 0 for no clipping."),
        [nameof(LoraTrainerOptions.LabelSmoothing)] = new("--label-smoothing", "Share of each target that is spread over all classes.", "SHARE"),
        [nameof(LoraTrainerOptions.TemperatureScaling)] = new("--no-temperature", "Leave probabilities as they are, instead of calibrating them on the validation rows."),
        [nameof(LoraTrainerOptions.LongText)] = new("--long-text", "What is read of rows that are longer: their beginning, beginning and end, or all of it in windows that begin STRIDE tokens apart.", "truncate|head-and-tail|windows:STRIDE"),
        [nameof(LoraTrainerOptions.MaxLength)] = new("--max-length", "Tokens a row at most. Default: the model's maximum."),
        [nameof(LoraTrainerOptions.SpecialTokensAsText)] = new("--special-tokens-as-text", "Read special tokens that stand in a text, such as <mask> or </s>, as plain text; kept with the model."),
        [nameof(LoraTrainerOptions.ValidationFraction)] = new("--validation-fraction", "Share of the training rows set aside to validate on, instead of --validation.", "SHARE"),
        [nameof(LoraTrainerOptions.EarlyStoppingPatience)] = new("--early-stopping", "Stop after so many epochs without a better validation metric. Default: never.", "EPOCHS"),
        [nameof(LoraTrainerOptions.Precision)] = new("--precision", "Of the frozen base; auto is bf16 on a GPU and fp32 on a CPU."),
        [nameof(LoraTrainerOptions.BaseQuantization)] = new("--quantize-base", "Hold the frozen linear weights in 4 bits (QLoRA)."),
        [nameof(LoraTrainerOptions.Device)] = new("--device", "Where to train; several CUDA devices share every batch. Default: cpu.", "cpu|cuda[:N],…"),
        [nameof(LoraTrainerOptions.Seed)] = new("--seed", "Seed of every random draw."),
        [nameof(LoraTrainerOptions.CheckpointDirectory)] = new("--checkpoint-dir", "A folder for resumable checkpoints; the same command goes on from there.", "DIR"),
        [nameof(LoraTrainerOptions.CheckpointEverySteps)] = new("--checkpoint-every", "Steps between checkpoints. Default: one an epoch.", "STEPS"),
        [nameof(LoraTrainerOptions.SaveMode)] = new("--save-mode", "What the model's file contains. Default: adapters alone over mini and hub models, everything over a folder."),
        [nameof(LoraTextClassificationTrainer.Options.ClassWeights)] = new("--class-weights", "How much the rows of each class count: none, balanced, or a weight for every class."),
        [nameof(LoraMultiLabelTextClassificationTrainer.Options.PredictionThreshold)] = new("--prediction-threshold", "The probability from which on a label is predicted (--kind multilabel).", "P"),
    };

    /// <summary>What the adapters' start depends on; the rest counts for training alone.</summary>
    public static IReadOnlySet<string> OfTheStart { get; } = new HashSet<string>
    {
        nameof(LoraTrainerOptions.BaseModel), nameof(LoraTrainerOptions.Initialization), nameof(LoraTrainerOptions.Rank), nameof(LoraTrainerOptions.RankPattern),
        nameof(LoraTrainerOptions.Alpha), nameof(LoraTrainerOptions.AlphaPattern), nameof(LoraTrainerOptions.RankStabilized), nameof(LoraTrainerOptions.UseDora),
        nameof(LoraTrainerOptions.TargetModules), nameof(LoraTrainerOptions.ExcludeModules), nameof(LoraTrainerOptions.LayersToTransform), nameof(LoraTrainerOptions.BatchSize),
        nameof(LoraTrainerOptions.MaxLength), nameof(LoraTrainerOptions.LongText), nameof(LoraTrainerOptions.SpecialTokensAsText), nameof(LoraTrainerOptions.Precision),
        nameof(LoraTrainerOptions.BaseQuantization), nameof(LoraTrainerOptions.Device), nameof(LoraTrainerOptions.Seed),
    };

    /// <summary>The name and the description of an option, by its property's name; nulls where it is not in the table.</summary>
    public static Words Find(string property) => Known.GetValueOrDefault(property, new(null, null));

    /// <param name="Name">As it is typed.</param>
    /// <param name="Description">For <c>--help</c>.</param>
    /// <param name="Value">What <c>--help</c> shows in the value's place; null for what the type says.</param>
    public sealed record Words(string? Name, string? Description, string? Value = null);
}
