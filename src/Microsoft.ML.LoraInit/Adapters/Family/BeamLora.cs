using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Weak ranks give way to copies of strong ones. See <see cref="BeamLoraMethod"/>.</summary>
    /// <param name="every">Steps from one exchange to the next; null for a twelfth of the run.</param>
    public static FineTuningMethod BeamLora(int? every = null) => new BeamLoraMethod { Every = every };
}

/// <summary>
/// BeamLoRA (arXiv 2502.13604): W + s·B·diag(g)·A with A [r, in], g [r], B [out, r], where g = r·softmax(p / τ) shares out importance among the ranks of a layer. From
/// time to time the weakest ranks of all layers take the place of copies of their layer's strongest, as those were some steps ago, and go on from there.
/// </summary>
/// <remarks>
/// <para>
/// As the authors' code does (gccnlp/BeamLoRA 2610c6a, train.py, peft/src/peft/tuners/lora/layer.py and model.py, training_utils.py): p starts at 0, so g at 1. After every T steps, while
/// at least T are left, the g of all layers are sorted and added up from the largest; those that come once the sum is beyond a share 1 − η of the whole are weak,
/// with η = (1 − keep)·(1 + cos(π·step / until)) / 2, and 0 after <see cref="UntilSteps"/>. The k weak ranks of a layer get rows of A, columns of B and Adam's moments of its k strongest, in random order, as they
/// were T/2 steps before; both of a pair get the mean of their p, and the moments of p start anew.
/// </para>
/// <para>
/// The code copies A's and B's moments to a temporary, so that those of weak ranks stay; here they are what it meant. Kept along and in checkpoints: parameters and moments
/// of T/2 steps before. Merges into plain weights, and is a plain LoRA with A scaled by g.
/// </para>
/// </remarks>
public sealed record BeamLoraMethod : LoraFamilyMethod
{
    internal const string Gate = ".beam_gate";

    /// <summary>T, at least 2; null (the default) for a twelfth of the run, as in the script.</summary>
    [JsonPropertyName("every")]
    public int? Every { get; init => field = Adapters.Family.Setting.AtLeast(2, value, nameof(Every)); }

    /// <summary>The share of all importance that is never weak at the first step, in (0, 1). Default 0.95.</summary>
    [JsonPropertyName("keep")]
    public double Keep { get; init => field = Adapters.Family.Setting.Share(value, nameof(Keep)); } = 0.95;

    /// <summary>The step from which on nothing is weak; null (the default) for two thirds of the run, as in the script.</summary>
    [JsonPropertyName("until")]
    public int? UntilSteps { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(UntilSteps)); }

    /// <summary>τ, in (0, 1). Default 0.05; the code advises 0.03 for learning rates below 1e-4.</summary>
    [JsonPropertyName("temperature")]
    public double Temperature { get; init => field = Adapters.Family.Setting.Share(value, nameof(Temperature)); } = 0.05;

    /// <inheritdoc/>
    public override string Name => "beamlora";

    internal override AdapterKind Form => new GatedKind("beamlora", Gate, decay: true, Importance);

    internal override FamilyStart Start(FamilyLayer layer) => layer.AsMade((Gate, layer.Zeros(layer.Target.Rank)));

    internal override void CheckRun(long steps)
    {
        if (Every is { } every && 2L * every > steps)
            throw new ArgumentException($"The method 'beamlora' has no exchange in a run of {steps} steps, since there is one every {every} while as many are left: lower Every, or train for longer.");
    }

    internal override MethodHooks Hooks(MethodRun run) => new BeamLoraHooks(run, this);

    /// <summary>g [r] of p [r].</summary>
    internal Tensor Importance(Tensor gate) => gate.Div(Temperature).softmax(0).Mul(gate.shape[0]);
}
