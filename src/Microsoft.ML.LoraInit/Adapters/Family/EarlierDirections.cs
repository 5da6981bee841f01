using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>
/// What the stages of a model learnt, as SD-LoRA keeps it: for each layer the products of the stages' factors at the size that they ended with, one
/// after another and of one rank, that of the largest; zeros fill up the others. fp32 on the CPU, owned by this.
/// </summary>
/// <param name="Count">How many stages.</param>
/// <param name="Rank">R, the rank of each.</param>
/// <param name="Layers">By module: A [Count · R, in] and B [out, Count · R].</param>
internal sealed record EarlierDirections(int Count, int Rank, IReadOnlyDictionary<string, (Tensor A, Tensor B)> Layers) : IDisposable
{
    /// <summary>The stages of a trained model: those of SD-LoRA, or one where another kind of LoRA trained it.</summary>
    /// <exception cref="NotSupportedException">What the model changed is no product of low rank over the untouched base; the message says what it is.</exception>
    public static EarlierDirections Of(FineTunedState known)
    {
        Check(known);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // A first stage may have corrected the base, as any LoRA.
        var layers = known.Method is SdLoraMethod { Stages: > 1 } method
            ? known.Adapters.ToDictionary(a => a.Target.ModuleName, a => Stages(a, method, known.Tensors), StringComparer.Ordinal)
            : PlainLoraConversion.Convert(known, module => throw new InvalidOperationException($"The base weight of '{module}' is not needed."))
                .ToDictionary(a => a.Target.ModuleName, a => new List<(Tensor A, Tensor B)> { (a.A.Mul(a.Target.Scaling), a.B) }, StringComparer.Ordinal);
        var rank = (int)layers.Values.SelectMany(l => l).Max(p => p.A.shape[0]);
        return new(layers.Values.First().Count, rank, layers.ToDictionary(l => l.Key, l => Joined(l.Value, rank), StringComparer.Ordinal));
    }

    public void Dispose()
    {
        foreach (var (a, b) in Layers.Values)
        {
            a.Dispose();
            b.Dispose();
        }
    }

    private static void Check(FineTunedState known)
    {
        var why = known.HasBottlenecks || known.Adapters.Count == 0 ? $"its method '{known.Method.Name}' trained no low-rank adapters"
            : known.TrainedBase.Count > 0 ? "biases of its base were trained too"
            : known.IsQuantized ? "its base was held in 4 bits"
            : known.Adapters.Any(a => a.Description.Correction == AdapterDescription.CorrectionKind.Replaced) ? "its initialisation put another base in the model's place"
            : known.Adapters.FirstOrDefault(a => a.Description.Kind == AdapterKind.Dora.Name) is not null ? "it was trained with UseDora, whose change has full rank"
            : known.Adapters.FirstOrDefault(a => a.Kind.Factors(a.Target, suffix => known.Tensors[a.Target.ModuleName + suffix]) is null) is { } full
                ? $"what the kind '{full.Description.Kind}' adds is no product of low rank"
            : null;
        if (why is not null)
            throw new NotSupportedException($"The model cannot learn new classes and keep its old ones: {why}. Train the first classes with FineTuningMethod.SdLora() or Lora().");
    }

    private static List<(Tensor A, Tensor B)> Stages(StoredAdapter adapter, SdLoraMethod method, IReadOnlyDictionary<string, Tensor> tensors)
    {
        Tensor Part(string suffix) => tensors[adapter.Target.ModuleName + suffix];
        var magnitudes = Part(SdLoraKind.Magnitudes);
        var stages = Enumerable.Range(0, method.Stages - 1).Select(i => (
            Part(SdLoraKind.EarlierA).narrow(0, i * method.EarlierRank, method.EarlierRank) * magnitudes[i],
            Part(SdLoraKind.EarlierB).narrow(1, i * method.EarlierRank, method.EarlierRank))).ToList();
        stages.Add((Part(LinearAdapter.Names.A) * magnitudes[method.Stages - 1].Mul(adapter.Target.Scaling), Part(LinearAdapter.Names.B)));
        return stages;
    }

    private static (Tensor A, Tensor B) Joined(IReadOnlyList<(Tensor A, Tensor B)> stages, int rank)
    {
        var a = cat([.. stages.Select(s => nn.functional.pad(s.A, [0, 0, 0, rank - s.A.shape[0]]))], 0);
        var b = cat([.. stages.Select(s => nn.functional.pad(s.B, [0, rank - s.B.shape[1]]))], 1);
        return (a.DetachFromDisposeScope(), b.DetachFromDisposeScope());
    }
}
