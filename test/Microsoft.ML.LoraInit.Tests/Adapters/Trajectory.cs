using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Training.Optimization;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>One recorded training run: PEFT's settings, the optimiser's, and what each step gave.</summary>
internal sealed class Trajectory
{
    private const string Wrapper = "base_model.model.";
    private readonly JsonObject _config;
    private readonly JsonObject _optimizer;

    public Trajectory(string folder, string name)
    {
        var all = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "train_trajectories.json")))!.AsObject();
        var run = all[name]?.AsObject() ?? throw new AssertFailedException($"train_trajectories.json has no '{name}'.");
        _config = run["config"]!.AsObject();
        _optimizer = run["optimizer"]!.AsObject();
        Steps = [.. run["steps"]!.AsArray().Select(s => ((double)s!["loss"]!, (double)s["grad_norm"]!, (double)s["lr"]!))];
        foreach (var (key, _) in _config)
            CollectionAssert.Contains(KnownKeys, key, $"'{name}' has a setting that this test does not know.");
    }

    public IReadOnlyList<(double Loss, double GradientNorm, double Rate)> Steps { get; }

    /// <summary>Whether W − s·B·A is the base, by PEFT's name of the initialisation.</summary>
    public bool CorrectsBase => _config["init_lora_weights"] is JsonValue value && value.TryGetValue<string>(out var text)
        && new[] { "pissa", "olora", "corda", "lora_ga" }.Any(p => text.StartsWith(p, StringComparison.OrdinalIgnoreCase));

    public AdapterSettings Settings => Read(_config);

    /// <summary>PEFT's settings, from a run's record or an adapterconfig.json, as ours.</summary>
    public static AdapterSettings Read(JsonObject config) => new()
    {
        Rank = (int?)config["r"] ?? 8,
        Alpha = (double?)config["lora_alpha"] ?? 8,
        RankStabilized = (bool?)config["use_rslora"] ?? false,
        UseDora = (bool?)config["use_dora"] ?? false,
        TargetModules = config["target_modules"] is JsonArray names
            ? TargetModules.Named([.. names.Select(n => (string)n!)])
            : (string?)config["target_modules"] is "all-linear" ? TargetModules.AllLinear : TargetModules.Matching((string)config["target_modules"]!),
        LayersToTransform = config["layers_to_transform"] switch
        {
            JsonArray layers => [.. layers.Select(l => (int)l!)],
            JsonValue layer => [(int)layer],
            _ => null,
        },
        RankPattern = config["rank_pattern"]?.AsObject().ToDictionary(p => p.Key, p => (int)p.Value!) ?? [],
        AlphaPattern = config["alpha_pattern"]?.AsObject().ToDictionary(p => p.Key, p => (double)p.Value!) ?? [],
    };

    public AdamWSettings AdamW => new()
    {
        Beta1 = (double)_optimizer["betas"]![0]!,
        Beta2 = (double)_optimizer["betas"]![1]!,
        Epsilon = (double)_optimizer["eps"]!,
        WeightDecay = (double)_optimizer["weight_decay"]!,
        DecayEverything = true,
    };

    public double Clip => (double)_optimizer["clip"]!;

    public LearningRate Schedule => new(
        Enum.Parse<LearningRateSchedule>((string)_optimizer["schedule"]!, ignoreCase: true),
        (double)_optimizer["lr"]!, (long)_optimizer["warmup"]!, Steps.Count);

    /// <summary>The stored factors of each target.</summary>
    public IReadOnlyList<InitializedAdapter> Factors(SafetensorsFile file, IReadOnlyList<AdapterTarget> targets) =>
    [
        .. targets.Select(t => new InitializedAdapter(
            file.Read($"init.{Wrapper}{t.ModuleName}.lora_A.weight"),
            file.Read($"init.{Wrapper}{t.ModuleName}.lora_B.weight")) { SubtractFromBase = CorrectsBase }),
    ];

    /// <summary>The stored tensors of a kind, by the module that they belong to.</summary>
    public static IEnumerable<(string Module, string Name)> Stored(SafetensorsFile file, string prefix, string suffix) =>
        file.Names.Where(n => n.StartsWith(prefix + Wrapper, StringComparison.Ordinal) && n.EndsWith(suffix, StringComparison.Ordinal))
            .Select(n => (n[(prefix.Length + Wrapper.Length)..^suffix.Length], n));

    private static readonly string[] KnownKeys =
        ["r", "lora_alpha", "use_rslora", "use_dora", "target_modules", "layers_to_transform", "rank_pattern", "alpha_pattern", "init_lora_weights"];
}
