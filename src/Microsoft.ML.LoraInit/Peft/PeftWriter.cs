using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>Turns plain adapters and a head into the two files of an adapter folder.</summary>
internal static class PeftWriter
{
    private const string TaskType = "SEQ_CLS";

    /// <summary>The configuration by which PEFT puts these adapters on a base of this shape.</summary>
    public static PeftConfig Config(PeftWeights weights, RobertaConfig config, string? baseModel, string? revision) => new()
    {
        Settings = PeftTargets.Describe([.. weights.Family?.Adapters.Select(a => a.Target) ?? weights.Adapters.Select(a => a.Target)], config, weights.Adapters is [{ Magnitude: not null }, ..], weights.Dropout),
        Family = weights.Family is { } family ? family.Form.Describe(family) : null,
        Bias = weights.Bias,
        BaseModel = baseModel,
        Revision = revision,
        TaskType = TaskType,
    };

    /// <summary>The tensors under PEFT's names.</summary>
    public static IEnumerable<KeyValuePair<string, Tensor>> Tensors(PeftWeights weights)
    {
        foreach (var adapter in weights.Adapters)
        {
            var module = PeftNames.Prefix + adapter.Target.ModuleName;
            yield return new(module + PeftNames.A, adapter.A);
            yield return new(module + PeftNames.B, adapter.B);
            if (adapter.Magnitude is not null)
                yield return new(module + PeftNames.Magnitude, adapter.Magnitude);
        }
        foreach (var (target, parts) in weights.Family?.Adapters ?? [])
            foreach (var (suffix, value) in weights.Family!.Form.ToFile(parts))
                yield return new(PeftNames.Prefix + target.ModuleName + suffix, value);
        // PEFT wraps an adapted layer, whose own parameters are then those of its base layer.
        var adapted = weights.Adapters.Select(a => a.Target.ModuleName).ToHashSet(StringComparer.Ordinal);
        foreach (var (name, value) in weights.Biases)
        {
            var module = name[..^PeftNames.Bias.Length];
            yield return new(PeftNames.Prefix + (adapted.Contains(module) ? module + PeftNames.BaseLayer : module) + PeftNames.Bias, value);
        }
        foreach (var (name, value) in weights.Head ?? new Dictionary<string, Tensor>())
            yield return new(PeftNames.Prefix + name, value);
    }

    /// <summary>Writes the folder, whole or not at all; <paramref name="more"/> adds files of its own.</summary>
    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static void Write(string folder, PeftWeights weights, PeftConfig config, Action<string>? more = null) => AtomicFolder.Write(folder, temporary =>
    {
        AtomicFile.Write(Path.Combine(temporary, PeftNames.Config), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(PeftConfigWriter.Write(config))));
        SafetensorsWriter.Write(Path.Combine(temporary, PeftNames.Weights), Tensors(weights), PeftNames.Metadata);
        more?.Invoke(temporary);
    });
}
