using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Near-orthogonal factors, of which a step moves some directions. See <see cref="RmLoraMethod"/>.</summary>
    /// <param name="directions">How many directions a step moves; null for half of the rank.</param>
    public static FineTuningMethod RmLora(int? directions = null) => new RmLoraMethod { Directions = directions };
}

/// <summary>
/// RM-LoRA (arXiv 2407.12074): plain LoRA, W + s·B·A, with a penalty that keeps A's rows [r, in] and B's columns [out, r] near orthonormal, so that the change uses
/// its whole rank, and a mask that lets each step's gradient reach some randomly drawn rows and columns only.
/// </summary>
/// <remarks>
/// As the authors' code does (yz-mao/RM-LoRA 015b48d, RM-LoRA/adalora_trainer.py): the loss gets β times the mean of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖ over all factors; from
/// the second step on, after clipping, the gradient of all but <see cref="Directions"/> of the r rows of A is set to zero, and so is that of B's columns, of
/// the same directions or of others. AdamW's moments move what is masked all the same. The code's mask zeroes the gradient of the head too, which is an oversight
/// there and left out here. The fused encoder serves: what is trained is plain LoRA, in every file too.
/// </remarks>
public sealed record RmLoraMethod : LoraFamilyMethod
{
    /// <summary>Directions that a step moves, from 1 to the rank; null (the default) for half of the rank, rounded up, as in the script.</summary>
    [JsonPropertyName("directions")]
    public int? Directions { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Directions)); }

    /// <summary>β, at least 0: the weight of the distance from orthonormal factors. Default 0.1, as in the script.</summary>
    [JsonPropertyName("penalty")]
    public double Penalty { get; init => field = Adapters.Family.Setting.NotNegative(value, nameof(Penalty)); } = 0.1;

    /// <summary>Whether A and B move in the same directions (the code's v1; the default), or each in some of its own (v2).</summary>
    [JsonPropertyName("shared")]
    public bool Shared { get; init; } = true;

    /// <inheritdoc/>
    public override string Name => "rm-lora";

    internal override AdapterKind Form => AdapterKind.Lora;

    internal override void Check(AdapterTarget target)
    {
        if (Directions > target.Rank)
            throw new ArgumentException($"The method 'rm-lora' is to move {Directions} directions of '{target.ModuleName}', which has {target.Rank}: lower Directions, or raise Rank.");
    }

    internal override FamilyStart Start(FamilyLayer layer) => layer.AsMade();

    internal override MethodHooks Hooks(MethodRun run) => new RmLoraHooks(run, this);

    private sealed class RmLoraHooks(MethodRun run, RmLoraMethod method) : MethodHooks
    {
        private readonly IReadOnlyList<LoraAdapter> _adapters = run.Adapters<LoraAdapter>();

        public override Tensor? Penalty() => method.Penalty == 0 ? null : Orthogonality.Of(_adapters).Mul(method.Penalty / (2 * _adapters.Count));

        public override void BeforeUpdate(long step, double learningRate)
        {
            if (step == 0)
                return;
            var gradient = run.Parameters.Gradient();
            var random = new SeededRandom(SeededRandom.Hash(run.Seed, $"rm-lora/{step}"));
            var drawn = new List<float>();
            foreach (var rank in _adapters.Select(a => a.Target.Rank))
            {
                var rows = Draw(random, rank);
                drawn.AddRange(rows);
                drawn.AddRange(method.Shared ? rows : Draw(random, rank));
            }
            var masks = tensor(drawn.ToArray()).to(gradient.device); // one copy to the device for all layers
            long at = 0;
            foreach (var adapter in _adapters)
            {
                var rank = adapter.Target.Rank;
                run.Place(adapter.A).Of(gradient).mul_(masks.narrow(0, at, rank).unsqueeze(1));
                run.Place(adapter.B).Of(gradient).mul_(masks.narrow(0, at + rank, rank));
                at += 2 * rank;
            }
        }

        private float[] Draw(SeededRandom random, int rank)
        {
            var mask = new float[rank];
            foreach (var direction in random.Permutation(rank).Take(method.Directions ?? ((rank + 1) / 2)))
                mask[direction] = 1;
            return mask;
        }
    }
}
