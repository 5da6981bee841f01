using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// What an initialisation did to the base weight W of one layer, kept so that a trained model can be computed again
/// from the untouched base: W − s·B₀·A₀ (PiSSA and its kin), or a weight that took W's place (a quantised base).
/// </summary>
internal sealed class BaseCorrection : IDisposable
{
    private readonly AdapterFactors? _initial;
    private readonly Tensor? _replacement;

    private BaseCorrection(AdapterFactors? initial, Tensor? replacement)
    {
        _initial = initial;
        _replacement = replacement;
    }

    /// <summary>The names under which the tensors are stored, after the module's.</summary>
    public static class Names
    {
        public const string InitialA = ".lora_A.initial";
        public const string InitialB = ".lora_B.initial";
        public const string InitialN = ".lora_N.initial";
        public const string Replacement = ".base";
    }

    /// <summary>B₀ and A₀ where W − s·B₀·A₀ takes W's place; null where another weight does. fp32 on the CPU, owned by this.</summary>
    public AdapterFactors? Subtracted => _initial;

    /// <summary>W − s·B₀·A₀ takes W's place. The factors are copied to the CPU, which computes nothing with them before a merge.</summary>
    public static BaseCorrection Subtract(AdapterFactors initial) =>
        new(new(Keep(initial.A), Keep(initial.B), initial.N is null ? null : Keep(initial.N)), null);

    /// <summary>Another weight [out, in] takes W's place.</summary>
    public static BaseCorrection Replace(Tensor weight) => new(null, Keep(weight));

    /// <summary>The corrected weight, fp32 on the weight's device; in the caller's scope.</summary>
    /// <param name="weight">The untouched W [out, in], fp32.</param>
    /// <param name="scaling">s.</param>
    public Tensor Apply(Tensor weight, double scaling)
    {
        if (_initial is null)
            return _replacement!.to(weight.device).alias();
        var initial = new AdapterFactors(_initial.A.to(weight.device), _initial.B.to(weight.device), _initial.N?.to(weight.device));
        return weight.Add(initial.Product(), -scaling);
    }

    /// <summary>What a stored model needs, by the end of its name; fp32 on the CPU, owned by this.</summary>
    public IEnumerable<(string Suffix, Tensor Value)> Tensors()
    {
        if (_initial is null)
        {
            yield return (Names.Replacement, _replacement!);
            yield break;
        }
        yield return (Names.InitialA, _initial.A);
        yield return (Names.InitialB, _initial.B);
        if (_initial.N is not null)
            yield return (Names.InitialN, _initial.N);
    }

    public void Dispose()
    {
        foreach (var (_, tensor) in Tensors())
            tensor.Dispose();
    }

    private static Tensor Keep(Tensor source)
    {
        using var scope = NewDisposeScope();
        return AdapterFactors.Copy(source, CPU).DetachFromDisposeScope();
    }
}
