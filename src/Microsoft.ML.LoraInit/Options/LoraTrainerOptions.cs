using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Options;
using TorchSharp;

namespace Microsoft.ML.LoraInit;

/// <summary>What the LoRA text trainers have in common. Each has a nested <c>Options</c> that adds its own.</summary>
public abstract class LoraTrainerOptions
{
    /// <summary>The text column, of type text. Default <c>Text</c>.</summary>
    public string TextColumnName { get; set; } = "Text";

    /// <summary>The second text of a pair, or null (the default) for single texts.</summary>
    public string? Text2ColumnName { get; set; }

    /// <summary>The label column. Default <c>Label</c>. Its type depends on the trainer.</summary>
    public string LabelColumnName { get; set; } = "Label";

    /// <summary>A Single column of example weights, or null (the default).</summary>
    public string? ExampleWeightColumnName { get; set; }

    /// <summary>The score column written. Default <c>Score</c>.</summary>
    public string ScoreColumnName { get; set; } = "Score";

    /// <summary>The pre-trained RoBERTa. Default: the embedded mini model.</summary>
    public RobertaCheckpoint BaseModel { get; set; } = RobertaCheckpoint.Mini;

    /// <summary>r, the adapters' rank. Default 8.</summary>
    public int Rank { get; set; } = 8;

    /// <summary>Numerator of the scaling alpha / r. Default 16.</summary>
    public double Alpha { get; set; } = 16;

    /// <summary>Scale by alpha / √r instead (rsLoRA, arXiv 2312.03732). Default false.</summary>
    public bool RankStabilized { get; set; }

    /// <summary>Dropout on the adapters' input, in [0, 1). Default 0.</summary>
    public double LoraDropout { get; set; }

    /// <summary>Weight-decomposed adapters (DoRA, arXiv 2402.09353). Default false.</summary>
    public bool UseDora { get; set; }

    /// <summary>The layers adapted. Default query and value.</summary>
    public TargetModules TargetModules { get; set; } = TargetModules.QueryValue;

    /// <summary>Layers that <see cref="TargetModules"/> chooses and that get no adapter all the same (PEFT's exclude_modules); null (the default) for none.</summary>
    public TargetModules? ExcludeModules { get; set; }

    /// <summary>Indices of the encoder layers adapted, from 0; null (the default) for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; set; }

    /// <summary>Ranks of particular modules: a name's end or an expression (PEFT's rank_pattern) and its rank. The first match counts.</summary>
    public IReadOnlyDictionary<string, int> RankPattern { get; set; } = new Dictionary<string, int>();

    /// <summary>Alphas of particular modules, as <see cref="RankPattern"/>.</summary>
    public IReadOnlyDictionary<string, double> AlphaPattern { get; set; } = new Dictionary<string, double>();

    /// <summary>What is trained beside the head. Default LoRA; rank, alpha, targets and <see cref="Initialization"/> count for it alone.</summary>
    public FineTuningMethod Method { get; set; } = FineTuningMethod.Lora();

    /// <summary>How the adapters start. Default Kaiming.</summary>
    public LoraInitialization Initialization { get; set; } = LoraInitialization.Kaiming();

    /// <summary>
    /// A folder with a PEFT adapter to train on from, or null (the default) for fresh adapters. Rank, alpha, targets, patterns
    /// and DoRA are then the adapter's, and those options and <see cref="Initialization"/> must stay at their defaults. Its
    /// classification head is taken where it fits the task; a fresh one is trained where it has none, or one of other outputs.
    /// </summary>
    public string? InitialAdapter { get; set; }

    /// <summary>Passes over the data. Default 3.</summary>
    public int MaxEpochs { get; set; } = 3;

    /// <summary>Rows an optimiser step sees at once. Default 32.</summary>
    public int BatchSize { get; set; } = 32;

    /// <summary>Batches whose gradients are added up for one optimiser step. Default 1.</summary>
    public int GradientAccumulationSteps { get; set; } = 1;

    /// <summary>Peak learning rate. Default 1e-3.</summary>
    public double InitialLearningRate { get; set; } = 1e-3;

    /// <summary>How the learning rate moves. Default linear to zero.</summary>
    public LearningRateSchedule LearningRateSchedule { get; set; } = LearningRateSchedule.Linear;

    /// <summary>Share of the steps over which the rate rises from zero, in [0, 1). Default 0.06.</summary>
    public double WarmupRatio { get; set; } = 0.06;

    /// <summary>
    /// LoRA+ (arXiv 2402.12354): how many times <see cref="InitialLearningRate"/> is B's rate; A and all else keep theirs.
    /// Default 1. The paper advises 16. As in torch's parameter groups, B's weight decay follows its rate. Counts for LoRA
    /// and for its variants, of which those that have no B refuse it.
    /// </summary>
    public double LoraPlusRatio { get; set; } = 1;

    /// <summary>What is done to the gradients of A and B before AdamW sees them. Default nothing. Counts for LoRA alone.</summary>
    public GradientPreconditioning GradientPreconditioning { get; set; } = GradientPreconditioning.None;

    /// <summary>
    /// ε of <see cref="GradientPreconditioning.Riemannian"/>, above 0: added to BᵀB and AAᵀ so that a factor of zeros can be
    /// preconditioned with. Default 1e-2, as in huggingface/peft; arXiv 2402.02347 has 1e-6.
    /// </summary>
    public double PreconditioningDamping { get; set; } = 1e-2;

    /// <summary>AdamW's decoupled decay, not applied to biases and norms unless <see cref="DecayBiasesAndNorms"/> says so. Default 0.01.</summary>
    public double WeightDecay { get; set; } = 0.01;

    /// <summary>
    /// Whether <see cref="WeightDecay"/> applies to biases and norms too, as in scripts that give AdamW one group of all parameters; gates and
    /// magnitudes that a method keeps from it stay out. Default false.
    /// </summary>
    public bool DecayBiasesAndNorms { get; set; }

    /// <summary>The norm that gradients are clipped to; 0 for no clipping. Default 1.</summary>
    public double MaxGradientNorm { get; set; } = 1.0;

    /// <summary>
    /// Share of each target that the training loss spreads evenly over all classes (of yes or no, over both; of labels, each for
    /// itself), in [0, 1). Default 0. Makes a model less sure of itself; metrics are those of the true labels. Not for regression.
    /// </summary>
    public double LabelSmoothing { get; set; }

    /// <summary>
    /// Whether probabilities are calibrated after training: by one temperature that all logits are divided by (arXiv 1706.04599), or by
    /// two, for small and for large distances of logits (<see cref="TemperatureBend"/>), where the validation rows give reason enough.
    /// Fitted on all of them and judged on each half by what the other half says (<see cref="TrainingHistory.Calibration"/>), stored
    /// with the model. <c>PredictedLabel</c> stays as it is. Default true; without at least 100 validation rows, and for regression,
    /// the temperature is 1. A training of a <see cref="LoraTrainingSession"/> has none.
    /// </summary>
    public bool TemperatureScaling { get; set; } = true;

    /// <summary>Tokens a row at most, special tokens included; null (the default) for the model's maximum.</summary>
    public int? MaxLength { get; set; }

    /// <summary>What is read of texts beyond <see cref="MaxLength"/>, in training and scoring. Default their beginning.</summary>
    public LongText LongText { get; set; } = LongText.Truncate;

    /// <summary>
    /// Whether special tokens that users write in their texts, such as <c>&lt;/s&gt;</c> or <c>&lt;mask&gt;</c>, are plain text. Default
    /// false: they are special tokens, as in transformers (whose <c>split_special_tokens</c> is this option). True for texts from
    /// people who are not trusted. Stored with the model.
    /// </summary>
    public bool SpecialTokensAsText { get; set; }

    /// <summary>Rows to validate on after each epoch, or null.</summary>
    public IDataView? ValidationData { get; set; }

    /// <summary>Share of the training rows set aside for validation, in [0, 1). Default 0. Not together with <see cref="ValidationData"/>.</summary>
    public double ValidationFraction { get; set; }

    /// <summary>Ends training after this many epochs without a better validation metric; null (the default) never.</summary>
    public int? EarlyStoppingPatience { get; set; }

    /// <summary>fp32 or bf16 for the frozen base; adapters, head and optimiser are always fp32. Default: bf16 on a GPU, fp32 on a CPU.</summary>
    public Precision Precision { get; set; } = Precision.Auto;

    /// <summary>
    /// Whether the weights of the encoder's linear layers are held in 4 bits and dequantised at each use (QLoRA, arXiv
    /// 2305.14314). Default not. Saves memory, costs time, and changes the model by NF4's error, which LoftQ makes smaller.
    /// Not with initialisations that correct the base or need its gradients, nor with full fine-tuning.
    /// </summary>
    public BaseQuantization BaseQuantization { get; set; } = BaseQuantization.None;

    /// <summary>The device; null (the default) follows <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c>, and trains on the CPU where neither says otherwise.</summary>
    public torch.Device? Device { get; set; }

    /// <summary>
    /// CUDA devices of one machine that train one model together, or null (the default) for one device. Each takes an equal share
    /// of every batch, <see cref="BatchSize"/> being the rows of all: raise it to keep them busy. The result is one device's
    /// within rounding; with dropout other elements are dropped. The first one is the main device: it initialises, validates and
    /// scores afterwards. Not with <see cref="Device"/>, nor with a base in 4 bits.
    /// </summary>
    public IReadOnlyList<torch.Device>? Devices { get; set; }

    /// <summary>Seed of every random draw; null (the default) takes the MLContext's seed, or 0.</summary>
    public int? Seed { get; set; }

    /// <summary>Progress reports, or null.</summary>
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Stops the training; the best model so far is returned if an epoch has ended, otherwise <see cref="OperationCanceledException"/> is thrown.</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <summary>
    /// A folder for resumable checkpoints, or null (the default). A later Fit with equal options and data goes on from there
    /// and ends with the weights that an uninterrupted run would have; after a finished run it gives the same model without
    /// training. The file <c>training.safetensors</c> stays; other options or data are refused until it is deleted.
    /// </summary>
    public string? CheckpointDirectory { get; set; }

    /// <summary>Optimiser steps between checkpoints; null (the default) for one at every epoch's end.</summary>
    public int? CheckpointEverySteps { get; set; }

    /// <summary>
    /// What a saved model contains. Default null: adapters only over the mini model and hub models, which every machine can
    /// get again; self-contained over a folder, which another machine may lack, unless a file cannot hold it (2 GB in the
    /// narrowest type that loses nothing).
    /// </summary>
    public ModelSaveMode? SaveMode { get; set; }

    /// <summary>What the options say of the adapters, in the planner's form.</summary>
    internal AdapterSettings ToAdapterSettings() => new()
    {
        Rank = Rank,
        Alpha = Alpha,
        RankStabilized = RankStabilized,
        Dropout = LoraDropout,
        UseDora = UseDora,
        TargetModules = TargetModules,
        ExcludeModules = ExcludeModules,
        LayersToTransform = LayersToTransform,
        RankPattern = RankPattern,
        AlphaPattern = AlphaPattern,
    };

    /// <summary>What the options say to the engine.</summary>
    internal FineTuningSettings ToSettings() => new()
    {
        Method = Method,
        Initialization = Initialization,
        InitialAdapter = InitialAdapter,
        BaseQuantization = BaseQuantization,
        Adapters = ToAdapterSettings(),
        Optimizer = new()
        {
            WeightDecay = WeightDecay,
            DecayBiasesAndNorms = DecayBiasesAndNorms,
            MaxGradientNorm = MaxGradientNorm,
            LoraPlusRatio = LoraPlusRatio,
            GradientPreconditioning = GradientPreconditioning,
            PreconditioningDamping = PreconditioningDamping,
        },
        Schedule = new()
        {
            MaxEpochs = MaxEpochs,
            BatchSize = BatchSize,
            GradientAccumulationSteps = GradientAccumulationSteps,
            InitialLearningRate = InitialLearningRate,
            LearningRateSchedule = LearningRateSchedule,
            WarmupRatio = WarmupRatio,
            EarlyStoppingPatience = EarlyStoppingPatience,
        },
        Checkpoints = CheckpointDirectory is null ? null : new(CheckpointDirectory, CheckpointEverySteps),
    };

    /// <summary>A copy, so that neither Fit nor a caller changes the other's options.</summary>
    internal LoraTrainerOptions Clone() => (LoraTrainerOptions)MemberwiseClone();
}
