using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Gates that become zero while training. See <see cref="SoraMethod"/>.</summary>
    /// <param name="threshold">ξ, by which gates shrink after each step.</param>
    public static FineTuningMethod Sora(double threshold = 1e-3) => new SoraMethod { Threshold = threshold };
}

/// <summary>
/// SoRA (arXiv 2311.11696): W + s·B·diag(g)·A with A [r, in], a gate g [r], B [out, r]. After each step the gates move towards zero by ξ and
/// stay there when they reach it, which takes their row of A and column of B out of use: the rank is learnt.
/// </summary>
/// <remarks>
/// As the authors' code does (TsinghuaC3I/SoRA c275ac2, src/lora.py, src/sparse_optimizer.py, src/trainer.py): g ~ N(0, 1), trained by AdamW
/// without decay, the loss gets η · mean |g|. The shrinking is the paper's proximal step, g ← sign(g)·max(|g| − ξ, 0); the code also sets to zero
/// what lies below ξ after it. An initialisation whose factors both are not zero starts with g = 1. Merges into plain weights, and is a plain
/// LoRA with A scaled by g.
/// </remarks>
public sealed record SoraMethod : LoraFamilyMethod
{
    internal const string Gate = ".lora_gate";

    /// <summary>ξ, at least 0: what each gate loses after a step. Default 1e-3, as in the code; its GLUE script has 3e-4.</summary>
    [JsonPropertyName("threshold")]
    public double Threshold { get; init => field = Adapters.Family.Setting.NotNegative(value, nameof(Threshold)); } = 1e-3;

    /// <summary>η, at least 0: the weight of mean |g| in the loss. Default 1e-3, as in the code.</summary>
    [JsonPropertyName("penalty")]
    public double Penalty { get; init => field = Adapters.Family.Setting.NotNegative(value, nameof(Penalty)); } = 1e-3;

    /// <inheritdoc/>
    public override string Name => "sora";

    internal override AdapterKind Form => GateKind;

    private static GatedKind GateKind { get; } = new("sora", Gate, decay: false);

    internal override FamilyStart Start(FamilyLayer layer) =>
        layer.AsMade((Gate, layer.StartsAtNothing ? layer.Normal("sora/gate", 1, layer.Target.Rank) : layer.Ones(layer.Target.Rank)));

    internal override MethodHooks Hooks(MethodRun run) => new SoraHooks(run, Threshold, Penalty);

    private sealed class SoraHooks : MethodHooks
    {
        private readonly TrainableParameters _parameters;
        private readonly IReadOnlyList<GatedAdapter> _adapters;
        private readonly FlatPlace[] _gates;
        private readonly (double Threshold, double Penalty) _settings;

        public SoraHooks(MethodRun run, double threshold, double penalty)
        {
            (_parameters, _settings) = (run.Parameters, (threshold, penalty));
            _adapters = run.Adapters<GatedAdapter>();
            _gates = [.. _adapters.Select(a => run.Place(a.Gate))];
        }

        public override Tensor? Penalty() => _settings.Penalty == 0 ? null
            : cat([.. _adapters.Select(a => a.Gate.Value)]).abs().mean().Mul(_settings.Penalty);

        public override void AfterUpdate(long step, double learningRate)
        {
            var values = _parameters.Flat.detach();
            foreach (var place in _gates)
            {
                var gate = place.Of(values);
                gate.copy_(gate.sign() * gate.abs().Sub(_settings.Threshold).ClampMin(0));
            }
        }
    }
}
