using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>
/// AdaLoRA's files (huggingface/peft 5d602fd, tuners/adalora): <c>rank_pattern</c> says which of the init_r triplets were kept, and the tensors
/// have those alone; a layer may have none.
/// </summary>
internal sealed class PeftAdaLora : PeftFamily
{
    private const string A = LinearAdapter.Names.A, B = LinearAdapter.Names.B, E = AdaLoraMethod.Lambda;

    public override string Type => "ADALORA";

    public override IReadOnlyList<string> Suffixes => [A, B, E];

    // PEFT has one initial rank and one alpha for all layers.
    public override bool Holds(IReadOnlyList<AdapterTarget> targets) => targets.DistinctBy(t => (t.Rank, t.Alpha)).Count() == 1;

    protected override IReadOnlyDictionary<string, string> Members { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [nameof(AdaLoraMethod.InitialRank)] = "init_r",
        [nameof(AdaLoraMethod.TargetRank)] = "target_r",
        [nameof(AdaLoraMethod.WarmupSteps)] = "tinit",
        [nameof(AdaLoraMethod.FinalSteps)] = "tfinal",
        [nameof(AdaLoraMethod.Interval)] = "deltaT",
        [nameof(AdaLoraMethod.Beta1)] = "beta1",
        [nameof(AdaLoraMethod.Beta2)] = "beta2",
        [nameof(AdaLoraMethod.OrthogonalityWeight)] = "orth_reg_weight",
        [nameof(AdaLoraMethod.TotalSteps)] = "total_step",
    };

    // The scale is lora_alpha / init_r with use_rslora too (tuners/adalora/layer.py).
    public override AdapterSettings Settings(JsonKeys keys, AdapterSettings common)
    {
        var rank = keys.Integer("init_r", 12);
        return common with
        {
            Rank = rank,
            Alpha = keys.Number("lora_alpha", 8) is > 0 and var alpha ? alpha : rank,
            RankStabilized = false,
            RankPattern = new Dictionary<string, int>(),
            AlphaPattern = new Dictionary<string, double>(),
            Names = common.Names with { Rank = "init_r" },
        };
    }

    public override PeftFamilyConfig Read(JsonKeys keys)
    {
        var initial = keys.Integer("init_r", 12);
        var method = Method(keys, () => new AdaLoraMethod
        {
            InitialRank = initial,
            TargetRank = keys.Integer("target_r", 8),
            WarmupSteps = keys.Integer("tinit", 0),
            FinalSteps = keys.Integer("tfinal", 0),
            Interval = keys.Integer("deltaT", 1),
            Beta1 = keys.Number("beta1", 0.85),
            Beta2 = keys.Number("beta2", 0.85),
            OrthogonalityWeight = keys.Number("orth_reg_weight", 0.5),
            TotalSteps = keys.Has("total_step") ? keys.Integer("total_step", 0) : null,
        });
        var kept = keys.Lists<bool>("rank_pattern", "a list of true and false for each layer");
        foreach (var (name, flags) in kept)
            if (!name.EndsWith(E, StringComparison.Ordinal) || flags.Length != initial)
                throw keys.Bad("rank_pattern", $"has '{name}' with {flags.Length} flags", $"each name ends in {E} and has init_r = {initial} of them");
        return new(method, kept.ToDictionary(k => PeftNames.FullName(k.Key[..^E.Length]), k => k.Value, StringComparer.Ordinal));
    }

    public override JsonObject Write(PeftConfig config)
    {
        var (method, kept) = ((AdaLoraMethod)config.Family!.Method, config.Family.Kept);
        return new()
        {
            ["beta1"] = method.Beta1,
            ["beta2"] = method.Beta2,
            ["bias"] = "none",
            ["deltaT"] = method.Interval,
            ["fan_in_fan_out"] = false,
            ["init_lora_weights"] = true,
            ["init_r"] = config.Settings.Rank,
            ["lora_alpha"] = config.Settings.Alpha,
            ["lora_dropout"] = config.Settings.Dropout,
            ["orth_reg_weight"] = method.OrthogonalityWeight,
            ["r"] = 8, // PEFT's default, which it does not read here
            ["rank_pattern"] = kept.Count == 0 ? null : new JsonObject(kept.Select(k => KeyValuePair.Create(k.Key + E, (JsonNode?)new JsonArray([.. k.Value.Select(f => JsonValue.Create(f))])))),
            ["target_r"] = method.TargetRank ?? Math.Max(1, (int)Math.Round(kept.Count == 0 ? config.Settings.Rank : kept.Values.Average(k => k.Count(f => f)))),
            ["tfinal"] = method.FinalSteps ?? 0,
            ["tinit"] = method.WarmupSteps ?? 0,
            // Has no part in what is computed, but PEFT refuses a schedule without room for a cut.
            ["total_step"] = method.TotalSteps ?? ((method.FinalSteps ?? 0) + (method.WarmupSteps ?? 0) + 1),
            ["use_dora"] = false,
            ["use_rslora"] = false,
        };
    }

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target, PeftFamilyConfig config)
    {
        var rank = config.Kept.TryGetValue(target.ModuleName, out var kept) ? kept.Count(k => k) : target.Rank;
        return [(A, [rank, target.InFeatures]), (B, [target.OutFeatures, rank]), (E, [rank, 1])];
    }

    // What was cut has no part in the product, whatever its factors.
    public override IReadOnlyDictionary<string, Tensor> FromFile(AdapterTarget target, PeftFamilyConfig config, IReadOnlyDictionary<string, Tensor> stored)
    {
        var (a, b, e) = (stored[A], stored[B], stored[E].reshape(-1));
        if (config.Kept.TryGetValue(target.ModuleName, out var kept))
        {
            var places = tensor(kept.Select((k, i) => (Kept: k, Place: (long)i)).Where(k => k.Kept).Select(k => k.Place).ToArray());
            a = zeros(target.Rank, target.InFeatures).index_copy(0, places, a);
            b = zeros(target.OutFeatures, target.Rank).index_copy(1, places, b);
            e = zeros(target.Rank).index_copy(0, places, e);
        }
        return new Dictionary<string, Tensor>(StringComparer.Ordinal) { [A] = a, [B] = b, [E] = e };
    }

    public override IReadOnlyDictionary<string, Tensor> ToFile(IReadOnlyDictionary<string, Tensor> parts)
    {
        var places = parts[E].nonzero().reshape(-1);
        return new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            [A] = parts[A].index_select(0, places),
            [B] = parts[B].index_select(1, places),
            [E] = parts[E].index_select(0, places).unsqueeze(1),
        };
    }

    public override PeftFamilyConfig Describe(PeftFamilyWeights weights) => new(weights.Method, weights.Adapters.ToDictionary(
        a => a.Target.ModuleName, a => a.Parts[E].Ne(0).data<bool>().ToArray(), StringComparer.Ordinal));
}
