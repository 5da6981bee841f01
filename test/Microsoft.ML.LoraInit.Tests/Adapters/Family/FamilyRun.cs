using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>What PEFT's AdaLoRA, LoHa and LoKr did in twenty steps on the batch of <c>forward.safetensors</c>, as a script recorded it.</summary>
internal sealed class FamilyRun
{
    private const string Wrapper = "init.base_model.model.";

    private readonly JsonObject _run;

    public FamilyRun(string name)
    {
        Name = name;
        _run = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "trajectories.json")))![name]!.AsObject();
    }

    /// <summary>For DynamicData: each run's name.</summary>
    public static IEnumerable<object[]> Names => [["adalora"], ["loha"], ["lokr"], ["lokr_both"], ["lokr_factor"]];

    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Data", "PeftFamily");

    public string Name { get; }

    /// <summary>The folder that PEFT wrote after the last step.</summary>
    public string Adapter => Path.Combine(Folder, $"peft_{Name}");

    public IReadOnlyList<(double Loss, double GradientNorm, double Rate)> Steps =>
        [.. _run["steps"]!.AsArray().Select(s => ((double)s!["loss"]!, (double)s["grad_norm"]!, (double)s["lr"]!))];

    public double Rate => (double)_run["optimizer"]!["lr"]!;

    /// <summary>The triplets that AdaLoRA kept, by λ's name and step; for the last cut at or before a step.</summary>
    public IReadOnlyDictionary<string, int[]> Kept(int step) => _run["patterns"]!.AsObject()
        .Last(p => int.Parse(p.Key, System.Globalization.CultureInfo.InvariantCulture) <= step).Value!.AsObject()
        .ToDictionary(p => p.Key, p => p.Value!.AsArray().Select(v => (int)v!).ToArray());

    private JsonObject Config => _run["config"]!.AsObject();

    public LoraFamilyMethod Method => Name switch
    {
        "adalora" => new AdaLoraMethod
        {
            InitialRank = (int)Config["init_r"]!,
            TargetRank = (int)Config["target_r"]!,
            WarmupSteps = (int)Config["tinit"]!,
            FinalSteps = (int)Config["tfinal"]!,
            Interval = (int)Config["deltaT"]!,
            OrthogonalityWeight = (double)Config["orth_reg_weight"]!,
        },
        "loha" => new LohaMethod(),
        _ => new LokrMethod { DecomposeBoth = (bool?)Config["decompose_both"] ?? false, Factor = (int?)Config["decompose_factor"] ?? -1 },
    };

    public AdapterSettings Settings => new()
    {
        Rank = (int?)(Config["r"] ?? Config["init_r"])!.AsValue() ?? 0,
        Alpha = (double)(Config["alpha"] ?? Config["lora_alpha"])!,
        TargetModules = TargetModules.Named([.. Config["target_modules"]!.AsArray().Select(n => (string)n!)]),
    };

    public SafetensorsFile Open() => SafetensorsFile.Open(Path.Combine(Folder, $"train_{Name}.safetensors"));

    /// <summary>Puts adapters of PEFT's start on a model.</summary>
    public void Attach(RobertaClassifier model, SafetensorsFile file)
    {
        var (method, linears) = (Method, model.Linears.ToDictionary(l => l.Name));
        foreach (var target in method.Targets(Settings, model.Config))
        {
            var parts = method.Form.Layout(target).ToDictionary(p => p.Suffix, p => file.Read($"{Wrapper}{target.ModuleName}{p.Suffix}").reshape(p.Shape));
            AdapterAttacher.Attach(model, linears[target.ModuleName], new(target, method.Form, parts, null, 0));
        }
    }
}
