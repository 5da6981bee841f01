using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>The trainers' option <see cref="LoraTrainerOptions.InitialAdapter"/>: training goes on from a PEFT adapter.</summary>
internal static class InitialAdapterFolder
{
    /// <summary>Refuses options that the adapter decides and that were set to something of their own.</summary>
    /// <exception cref="ArgumentException">Such an option is not at its default; the message names it.</exception>
    public static void Check(LoraTrainerOptions options)
    {
        if (options.InitialAdapter is not { } folder)
            return;
        if (string.IsNullOrWhiteSpace(folder))
            throw new ArgumentException($"{nameof(options.InitialAdapter)} is empty: name an adapter's folder, or use null for fresh adapters.");
        var defaults = new Defaults();
        (string Name, bool IsDefault)[] decided =
        [
            (nameof(options.Rank), options.Rank == defaults.Rank),
            (nameof(options.Alpha), options.Alpha == defaults.Alpha),
            (nameof(options.RankStabilized), options.RankStabilized == defaults.RankStabilized),
            (nameof(options.UseDora), options.UseDora == defaults.UseDora),
            (nameof(options.TargetModules), options.TargetModules == defaults.TargetModules),
            (nameof(options.ExcludeModules), options.ExcludeModules is null),
            (nameof(options.LayersToTransform), options.LayersToTransform is null),
            (nameof(options.RankPattern), options.RankPattern.Count == 0),
            (nameof(options.AlphaPattern), options.AlphaPattern.Count == 0),
            (nameof(options.Initialization), options.Initialization == defaults.Initialization),
            (nameof(options.Method), options.Method == defaults.Method),
        ];
        if (decided.FirstOrDefault(d => !d.IsDefault) is { Name: { } name })
            throw new ArgumentException($"{name} is set, and {nameof(options.InitialAdapter)} = '{folder}' brings its own: leave {name} at its default, or train without {nameof(options.InitialAdapter)}.");
    }

    /// <summary>The options as they are where nobody sets them.</summary>
    private sealed class Defaults : LoraTrainerOptions;

    /// <summary>Reads the option's folder for a base of this shape; null where the option is not set. The tensors belong to the caller's dispose scope.</summary>
    /// <param name="options">The options.</param>
    /// <param name="config">The base's shape.</param>
    /// <param name="outputs">Logits of the task: two of them are made one where the task has one.</param>
    public static PeftWeights? Read(LoraTrainerOptions options, RobertaConfig config, int outputs)
    {
        if (options.InitialAdapter is null)
            return null;
        using var folder = PeftFolder.Open(options.InitialAdapter);
        if (folder.Family is { } family)
            throw new ArgumentException($"{nameof(options.InitialAdapter)} = '{options.InitialAdapter}' is an adapter of the type {family.Type}, and training goes on from LORA adapters alone. Train from the base, or load it with PeftAdapter.Load to predict.");
        var weights = folder.Read(config);
        return weights.Outputs == 2 && outputs == 1 ? weights.WithOneLogit() : weights;
    }

    /// <summary>The adapter's head for a model to take over, or null where it has none of this number of outputs.</summary>
    public static IReadOnlyDictionary<string, Tensor>? Head(this PeftWeights weights, int outputs, Device device) => weights.Outputs != outputs ? null
        : weights.Head!.ToDictionary(h => h.Key, h => h.Value.clone().to(device), StringComparer.Ordinal);

    /// <summary>Puts the adapters on a model, to be trained.</summary>
    public static void Attach(this PeftWeights weights, RobertaClassifier model, double dropout)
    {
        var linears = model.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        foreach (var adapter in weights.Adapters)
            AdapterAttacher.Attach(model, linears[adapter.Target.ModuleName], new AdapterBlueprint(
                adapter.Target, adapter.Magnitude is null ? AdapterKind.Lora : AdapterKind.Dora, AdapterBlueprint.PartsOf(new(adapter.A, adapter.B), adapter.Magnitude), null, dropout));
    }
}
