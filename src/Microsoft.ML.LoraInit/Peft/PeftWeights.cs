using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>What an adapter folder holds, in this library's names: adapters over the untouched base, and a head or none.</summary>
/// <param name="Adapters">In the model's order.</param>
/// <param name="Head">The head's tensors by name, or null.</param>
/// <param name="Dropout">The dropout that the adapters were trained with.</param>
internal sealed record PeftWeights(IReadOnlyList<PlainAdapter> Adapters, IReadOnlyDictionary<string, Tensor>? Head, double Dropout)
{
    /// <summary>The adapters where they are a variant's, and <see cref="Adapters"/> is empty; null for LoRA.</summary>
    public PeftFamilyWeights? Family { get; init; }

    /// <summary>Which of the base's biases were trained too.</summary>
    public LoraBias Bias { get; init; }

    /// <summary>Those biases by name; empty where there are none.</summary>
    public IReadOnlyDictionary<string, Tensor> Biases { get; init; } = new Dictionary<string, Tensor>();

    private const string OutWeight = RobertaNames.HeadProjection + ".weight";
    private const string OutBias = RobertaNames.HeadProjection + ".bias";

    /// <summary>Number of logits; 0 without a head.</summary>
    public int Outputs => Head is null ? 0 : (int)Head[OutBias].shape[0];

    /// <summary>
    /// The same with one logit for true instead of two for false and true: row 1 minus row 0 of the output layer. The
    /// sigmoid of that is the softmax of the two.
    /// </summary>
    public PeftWeights WithOneLogit()
    {
        using var noGrad = no_grad();
        var head = new Dictionary<string, Tensor>(Head!, StringComparer.Ordinal);
        foreach (var name in new[] { OutWeight, OutBias })
            head[name] = head[name].narrow(0, 1, 1) - head[name].narrow(0, 0, 1);
        return this with { Head = head };
    }

    /// <summary>A trained model's state over a base; takes copies of the tensors.</summary>
    public FineTunedState ToState(BaseIdentity identity, RobertaConfig config)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var tensors = Head!.ToDictionary(h => h.Key, h => h.Value.clone(), StringComparer.Ordinal);
        foreach (var adapter in Adapters)
        {
            tensors.Add(adapter.Target.ModuleName + LinearAdapter.Names.A, adapter.A.clone());
            tensors.Add(adapter.Target.ModuleName + LinearAdapter.Names.B, adapter.B.clone());
            if (adapter.Magnitude is not null)
                tensors.Add(adapter.Target.ModuleName + LinearAdapter.Names.Magnitude, adapter.Magnitude.clone());
        }
        foreach (var (target, parts) in Family?.Adapters ?? [])
            foreach (var (suffix, value) in parts)
                tensors.Add(target.ModuleName + suffix, value.contiguous().clone());
        return new(identity, config, Outputs, new FineTunedDescription
        {
            Method = Family?.Method ?? FineTuningMethod.Lora(),
            Adapters = [.. Adapters.Select(a => Describe(a.Target, (a.Magnitude is null ? AdapterKind.Lora : AdapterKind.Dora).Name)), .. (Family?.Adapters ?? []).Select(a => Describe(a.Target, Family!.Method.Form.Name))],
        }, tensors);
    }

    private AdapterDescription Describe(AdapterTarget target, string kind) => new()
    {
        Module = target.ModuleName,
        Kind = kind,
        Rank = target.Rank,
        Alpha = target.Alpha,
        RankStabilized = target.RankStabilized,
        Scaling = target.Scaling,
        Dropout = Dropout,
    };
}
