using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>A variant of LoRA that PEFT has under a <c>peft_type</c> of its own: its configuration's members and its tensors, both ways.</summary>
internal abstract class PeftFamily
{
    private static readonly PeftFamily[] All = [new PeftAdaLora(), new PeftLoha(), new PeftLokr()];

    /// <summary>PEFT's types, for messages.</summary>
    public static IEnumerable<string> Types => All.Select(f => f.Type);

    /// <summary><c>peft_type</c>.</summary>
    public abstract string Type { get; }

    /// <summary>How a tensor's name may end.</summary>
    public abstract IReadOnlyList<string> Suffixes { get; }

    /// <summary>By <c>peft_type</c>; null where it is none of these.</summary>
    public static PeftFamily? Of(string? type) => All.FirstOrDefault(f => f.Type == type);

    /// <summary>By method; null where PEFT's file for it is that of plain LoRA.</summary>
    public static PeftFamily? Of(FineTuningMethod method) => All.FirstOrDefault(f => f.Type == method.Name.ToUpperInvariant());

    /// <summary>Rank and alpha, put into what the types have in common; what a type does not know has no part in it, whatever the file says.</summary>
    public abstract AdapterSettings Settings(JsonKeys keys, AdapterSettings common);

    /// <summary>The method and what else the file says of these adapters.</summary>
    /// <exception cref="InvalidDataException">A member does not fit.</exception>
    public abstract PeftFamilyConfig Read(JsonKeys keys);

    /// <summary>The type's own members.</summary>
    public abstract JsonObject Write(PeftConfig config);

    /// <summary>Whether a file of this type can hold adapters of these ranks and scales.</summary>
    public virtual bool Holds(IReadOnlyList<AdapterTarget> targets) => true;

    /// <summary>What the file has of one adapter.</summary>
    public virtual IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target, PeftFamilyConfig config) => config.Method.Form.Layout(target);

    /// <summary>An adapter's tensors from the file's, in the caller's scope.</summary>
    public virtual IReadOnlyDictionary<string, Tensor> FromFile(AdapterTarget target, PeftFamilyConfig config, IReadOnlyDictionary<string, Tensor> stored) => stored;

    /// <summary>The file's tensors from an adapter's, in the caller's scope.</summary>
    public virtual IReadOnlyDictionary<string, Tensor> ToFile(IReadOnlyDictionary<string, Tensor> parts) => parts;

    /// <summary>What the file says of adapters like these.</summary>
    public virtual PeftFamilyConfig Describe(PeftFamilyWeights weights) => new(weights.Method, new Dictionary<string, bool[]>());

    /// <summary>The file's members by the properties of the method that stand for them.</summary>
    protected virtual IReadOnlyDictionary<string, string> Members { get; } = new Dictionary<string, string>();

    /// <summary>Makes the method of what a file says; what is out of range is refused by its key there.</summary>
    protected LoraFamilyMethod Method(JsonKeys keys, Func<LoraFamilyMethod> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentOutOfRangeException e) when (e.ParamName is { } property && Members.TryGetValue(property, out var key))
        {
            throw keys.Bad(key, $"is {keys.Raw(key)}", $"use {SettingRange.Allowed(e)}");
        }
    }
}

/// <summary>What a configuration says of a variant's adapters beside rank, alpha and targets.</summary>
/// <param name="Method">The method with its settings.</param>
/// <param name="Kept">By module, which of an AdaLoRA's triplets are in the file; empty where all are.</param>
internal sealed record PeftFamilyConfig(LoraFamilyMethod Method, IReadOnlyDictionary<string, bool[]> Kept);

/// <summary>A variant's adapters over the untouched base.</summary>
/// <param name="Method">The method with its settings.</param>
/// <param name="Adapters">Target and tensors by the end of their names, in the model's order.</param>
internal sealed record PeftFamilyWeights(LoraFamilyMethod Method, IReadOnlyList<(AdapterTarget Target, IReadOnlyDictionary<string, Tensor> Parts)> Adapters)
{
    public PeftFamily Form => PeftFamily.Of(Method)!;

    /// <summary>A trained model's adapters, where a file of the method's own type is exactly the model; null elsewhere.</summary>
    public static PeftFamilyWeights? Of(FineTunedState state)
    {
        if (state.Method is not LoraFamilyMethod method || PeftFamily.Of(method) is not { } form || state.Adapters.Count == 0
            || state.Adapters.Any(a => a.Description.Correction != AdapterDescription.CorrectionKind.None))
            return null;
        var adapters = state.Adapters.Select(a => (
            a.Target with { Alpha = a.Target.Scaling * a.Target.Rank, RankStabilized = false },
            (IReadOnlyDictionary<string, Tensor>)a.Kind.Layout(a.Target).ToDictionary(p => p.Suffix, p => state.Tensors[a.Target.ModuleName + p.Suffix], StringComparer.Ordinal))).ToArray();
        return form.Holds([.. adapters.Select(a => a.Item1)]) ? new(method, adapters) : null;
    }
}
