using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>What LoHa's and LoKr's files have in common (huggingface/peft 5d602fd, tuners/lycoris_utils.py).</summary>
internal abstract class PeftLycoris : PeftFamily
{
    public override AdapterSettings Settings(JsonKeys keys, AdapterSettings common) => common with
    {
        Rank = keys.Integer("r", 8),
        Alpha = keys.Number("alpha", 8),
        RankStabilized = false,
        Dropout = 0,
        Names = common.Names with { Alpha = "alpha" },
    };

    public override JsonObject Write(PeftConfig config) => new()
    {
        ["alpha"] = config.Settings.Alpha,
        ["alpha_pattern"] = PeftConfigWriter.Map(config.Settings.AlphaPattern),
        ["init_weights"] = true,
        ["module_dropout"] = 0.0,
        ["r"] = config.Settings.Rank,
        ["rank_dropout"] = 0.0,
        ["rank_pattern"] = PeftConfigWriter.Map(config.Settings.RankPattern),
        ["use_effective_conv2d"] = false,
    };
}

/// <summary>LoHa's files.</summary>
internal sealed class PeftLoha : PeftLycoris
{
    public override string Type => "LOHA";

    public override IReadOnlyList<string> Suffixes => [LohaKind.B1, LohaKind.A1, LohaKind.B2, LohaKind.A2];

    public override PeftFamilyConfig Read(JsonKeys keys) => new(new LohaMethod(), new Dictionary<string, bool[]>());
}

/// <summary>LoKr's files.</summary>
internal sealed class PeftLokr : PeftLycoris
{
    private const string Lycoris = "lycoris";

    public override string Type => "LOKR";

    public override IReadOnlyList<string> Suffixes => [LokrKind.C, LokrKind.Ca, LokrKind.Cb, LokrKind.D, LokrKind.Da, LokrKind.Db];

    protected override IReadOnlyDictionary<string, string> Members { get; } = new Dictionary<string, string> { [nameof(LokrMethod.Factor)] = "decompose_factor" };

    // From half of a factor's longer side on it is held whole, and a higher rank is a matter of scale alone.
    public override AdapterSettings Settings(JsonKeys keys, AdapterSettings common) => base.Settings(keys, common) with { AllowsAnyRank = true };

    public override PeftFamilyConfig Read(JsonKeys keys) => new(Method(keys, () => new LokrMethod
    {
        Factor = keys.Integer("decompose_factor", -1),
        DecomposeBoth = keys.Flag("decompose_both"),
        LycorisStart = keys.Has("init_weights") && keys.IsText("init_weights") && keys.Text("init_weights") == Lycoris,
    }), new Dictionary<string, bool[]>());

    public override JsonObject Write(PeftConfig config)
    {
        var (json, method) = (base.Write(config), (LokrMethod)config.Family!.Method);
        json["decompose_both"] = method.DecomposeBoth;
        json["decompose_factor"] = method.Factor;
        json["rank_dropout_scale"] = false;
        if (method.LycorisStart)
            json["init_weights"] = Lycoris;
        return json;
    }
}
